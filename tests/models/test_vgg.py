"""VGG's own arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.layers import LocalResponseNormalization
from kerasref.models import (
    VGG11,
    VGG11D2L,
    VGG11LRN,
    VGG13,
    VGG16,
    VGG16C,
    VGG19,
    VGG11SlimD2L,
    VGGSmall,
)
from kerasref.models.vgg import copy_weights

# Kernels of the convolutions of each block: figure 1.11, the paper's table 1.
CONFIGURATIONS = {
    VGG11: "3 | 3 | 3 3 | 3 3 | 3 3",
    VGG11LRN: "3 | 3 | 3 3 | 3 3 | 3 3",
    VGG13: "3 3 | 3 3 | 3 3 | 3 3 | 3 3",
    VGG16C: "3 3 | 3 3 | 3 3 1 | 3 3 1 | 3 3 1",
    VGG16: "3 3 | 3 3 | 3 3 3 | 3 3 3 | 3 3 3",
    VGG19: "3 3 | 3 3 | 3 3 3 3 | 3 3 3 3 | 3 3 3 3",
    VGG11D2L: "3 | 3 | 3 3 | 3 3 | 3 3",
    VGG11SlimD2L: "3 | 3 | 3 3 | 3 3 | 3 3",
}


def order(model):
    return [layer.name for layer in model.layers]


def randomised(model, seed=0):
    """`model` with random biases too, so that borders show."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.path.endswith("bias"):
            weight.assign(rng.normal(scale=0.2, size=weight.shape))
    return model


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("builder", CONFIGURATIONS)
def test_configurations_are_the_papers(builder):
    with tf.Graph().as_default():
        model = builder()
    blocks = [[]]
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            assert layer.padding == "same"
            assert layer.activation is keras.activations.relu
            blocks[-1].append(str(layer.kernel_size[0]))
        elif isinstance(layer, keras.layers.MaxPooling2D):
            assert layer.pool_size == layer.strides == (2, 2)
            blocks.append([])
    assert " | ".join(" ".join(block) for block in blocks[:-1]) == CONFIGURATIONS[builder]
    dense = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert dense == [4096, 4096, model.output_shape[-1]]
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.5, 0.5]


def test_channels_double_to_512_while_sides_halve_to_7():
    with tf.Graph().as_default():
        model = VGG16()
    shapes = [model.get_layer(f"block{block}_pool").output.shape[1:] for block in range(1, 6)]
    sides, channels = [112, 56, 28, 14, 7], [64, 128, 256, 512, 512]
    assert shapes == [(s, s, c) for s, c in zip(sides, channels, strict=True)]


def test_lrn_follows_the_first_convolution_only():
    small = {"input_shape": (32, 32, 3), "width": 1 / 32}
    with_lrn, without = VGG11LRN(**small), VGG11(**small)
    assert order(with_lrn)[1:4] == ["block1_conv1", "block1_conv1_lrn", "block1_pool"]
    kinds = [type(layer) for layer in with_lrn.layers]
    assert kinds.count(LocalResponseNormalization) == 1
    assert [name for name in order(with_lrn) if not name.endswith("lrn")] == order(without)


def test_batch_normalisation_stands_before_every_relu():
    model = VGGSmall(norm="batch")
    names = order(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            place = names.index(layer.name)
            assert names[place + 1 : place + 3] == [f"{layer.name}_bn", f"{layer.name}_act"]
            assert not layer.use_bias
            assert layer.activation is keras.activations.linear


def test_gap_head_has_no_hidden_layer():
    assert order(VGGSmall(head="gap"))[-3:] == ["avg_pool", "fc3", "predictions"]


def heads(builder, dense_shape, sliding_shape, **arguments):
    dense = randomised(builder(**arguments, input_shape=dense_shape))
    sliding = builder(**arguments, input_shape=sliding_shape, head="convolutional")
    copy_weights(dense, sliding)
    return dense, sliding


def test_fully_convolutional_form_equals_the_dense_net_at_the_training_size():
    dense, sliding = heads(VGG19, (224, 224, 1), (None, None, 1), width=1 / 64, classes=7)
    assert sliding.count_params() == dense.count_params()
    x = images(2, 224, 224, 1)
    np.testing.assert_allclose(sliding(x), dense(x), rtol=1e-4)
    scores = keras.Model(sliding.input, sliding.get_layer("fc3").output)
    assert scores(x).shape == (2, 1, 1, 7)
    assert scores(images(1, 256, 288, 1)).shape == (1, 2, 3, 7)


def test_without_padding_dense_evaluation_is_the_mean_over_crops():
    arguments = {
        "depths": (1, 2),
        "filters": (4, 6),
        "units": (8,),
        "padding": "valid",
        "window": 3,
        "classifier_activation": None,
    }
    dense, sliding = heads(VGGSmall, (22, 22, 1), (None, None, 1), **arguments)
    assert dense.get_layer("flatten").input.shape[1:3] == (3, 3)
    x = images(2, 30, 26, 1)
    crops = [dense(x[:, r : r + 22, c : c + 22]) for r in (0, 4, 8) for c in (0, 4)]
    np.testing.assert_allclose(sliding(x), np.mean(crops, axis=0), rtol=1e-4, atol=1e-5)


def test_weights_are_copied_back():
    dense, sliding = heads(VGGSmall, (28, 28, 1), (40, 40, 1), width=0.25)
    other = VGGSmall(width=0.25)
    copy_weights(sliding, other)
    x = images(2, 28, 28, 1)
    np.testing.assert_array_equal(other(x), dense(x))


def test_weights_of_another_window_are_refused():
    dense = VGGSmall(width=0.25, input_shape=(32, 32, 1))
    with pytest.raises(ValueError, match="'fc1'"):
        copy_weights(dense, VGGSmall(width=0.25, head="convolutional", window=3))


def test_depths_kernels_and_width():
    model = VGGSmall(depths=(1, 3, 4), kernel=5, extra_kernel=1, width=0.5)
    kernels = [
        layer.kernel_size[0] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert kernels == [5, 5, 5, 1, 5, 5, 1, 1]
    assert [model.get_layer(f"block{b}_pool").output.shape[-1] for b in (1, 2, 3)] == [8, 16, 32]
    assert model.get_layer("fc1").units == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head": "dens"}, "`head` cannot be 'dens'; did you mean 'dense'"),
        ({"norm": "bacth"}, "`norm` cannot be 'bacth'; did you mean 'batch'"),
        ({"padding": "full"}, "`padding` cannot be 'full'"),
        ({"depths": (1, 2)}, "`depths` has 2 blocks, `filters` has 3"),
        ({"input_shape": (7, 28, 1)}, "at least 8x8"),
        ({"head": "convolutional", "input_shape": (23, 28, 1)}, "at least 24x24"),
        ({"weights": "imagenet"}, "none are published"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        VGGSmall(**arguments)
