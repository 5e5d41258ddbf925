"""Inception modules and networks: what the conformance suite cannot know."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.layers import SqueezeExcitation
from kerasref.models import (
    ConvMNIST,
    InceptionMNIST,
    InceptionResNetV1,
    InceptionResNetV2Slim,
    InceptionSmall,
    InceptionV3,
    InceptionV4,
)
from kerasref.models.inception_modules import KINDS, PATHS, Style, apply

BOOK_ORDER = {
    "naive": [[1], [3], [5], ["pool"]],
    "v1": [[1], [1, 3], [1, 5], ["pool", 1]],
    "v2": [[1], [1, 3], [1, 3, 3], ["pool", 1]],
    "v3": [[1], [1, (3, 1), (1, 3)], [1, (5, 1), (1, 5)], ["pool", 1]],
    "uniform": [[1, 3], [1, 3], [1, 3], [1, 3]],
}


def sources(layer):
    tensors = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor._keras_history.operation.name for tensor in tensors]


def order(model):
    return [layer.name for layer in model.layers]


@pytest.mark.parametrize("kind", BOOK_ORDER)
def test_modules_equal_plain_keras_layers_with_the_same_weights(kind):
    """The branches written out once more, from the book's description."""
    keras.utils.set_random_seed(0)
    image = keras.Input((9, 7, 6))
    module = keras.Model(image, apply(image, KINDS[kind](*range(2, 8)), "m", Style(norm=None)))
    x = np.random.default_rng(0).normal(size=(2, 9, 7, 6)).astype("float32")
    outputs = []
    for branch, steps in enumerate(BOOK_ORDER[kind], 1):
        y = x
        for number, step in enumerate(steps, 1):
            if step == "pool":
                y = keras.ops.max_pool(y, 3, 1, padding="same")
                continue
            kernel, bias = module.get_layer(f"m_b{branch}_{number}").get_weights()
            assert kernel.shape[:2] == (step if isinstance(step, tuple) else (step, step))
            y = keras.ops.relu(keras.ops.conv(y, kernel, padding="same") + bias)
        outputs.append(y)
    np.testing.assert_allclose(module(x), np.concatenate(outputs, axis=-1), rtol=1e-5, atol=1e-6)


def test_the_books_networks_differ_in_two_layers():
    inception, plain = InceptionMNIST(), ConvMNIST()
    tops = ["flatten", "hidden1", "hidden2", "fc", "predictions"]
    first, second = ["stage1_1", "stage1_2", "pool1"], ["stage2_1", "stage2_2", "pool2"]
    assert order(plain)[1:] == [*first, *second, *tops]
    assert [n for n in order(inception) if "_b" not in n] == order(plain)
    for name in order(plain)[1:]:
        assert plain.get_layer(name).output.shape == inception.get_layer(name).output.shape


@pytest.mark.parametrize("paths", [("1x1",), ("3x3", "5x5"), ("1x1", "3x3", "pool"), PATHS])
def test_the_maps_of_a_module_are_shared_among_its_paths(paths):
    model = InceptionSmall(maps=12, paths=paths, input_shape=(12, 12, 1))
    assert model.get_layer("stage2_1" if len(paths) > 1 else "stage2_1_b1_1").output.shape[-1] == 12
    kept = {name.split("_b")[1][0] for name in order(model) if name.startswith("stage2_1_b")}
    assert len(kept) == len(paths)


def test_stages_are_data():
    model = InceptionSmall(stages=(("conv", "conv"), ("inception",)), maps=8)
    assert isinstance(model.get_layer("stage1_2"), keras.layers.Conv2D)
    assert isinstance(model.get_layer("stage2_1"), keras.layers.Concatenate)
    assert "pool1" in order(model)
    assert "pool2" not in order(model)


def test_a_residual_module_can_lose_its_shortcut_and_nothing_else():
    common = {"residual": True, "maps": 8, "norm": "batch"}
    with_shortcut, without = InceptionSmall(**common), InceptionSmall(**common, shortcut=False)
    added = [name for name in order(with_shortcut) if name.endswith("_add")]
    assert len(added) == 3
    assert [name for name in order(with_shortcut) if name not in added] == order(without)
    assert sources(with_shortcut.get_layer("stage2_1_add")) == ["pool1", "stage2_1_conv"]
    assert with_shortcut.count_params() == without.count_params()


def test_squeeze_and_excitation_stands_before_the_addition():
    model = InceptionSmall(residual=True, maps=8, scale=0.2, se={"ratio": 2})
    assert sources(model.get_layer("stage2_1_se")) == ["stage2_1_conv"]
    assert sources(model.get_layer("stage2_1_scale")) == ["stage2_1_se"]
    assert sources(model.get_layer("stage2_1_add")) == ["pool1", "stage2_1_scale"]
    assert sum(isinstance(x, SqueezeExcitation) for x in InceptionSmall(se={}).layers) == 3


def test_auxiliary_classifiers_stand_behind_all_stages_but_the_last():
    model = InceptionSmall(auxiliary=True, maps=8)
    assert [sources(model.get_layer(f"aux{n}_conv"))[0] for n in (1, 2)] == ["stage1_2", "stage2_1"]
    assert [tuple(output.shape) for output in model.outputs] == [(None, 10)] * 3


def test_the_stem_for_large_images_divides_the_side_by_four():
    plain, stem = InceptionSmall(maps=8), InceptionSmall(maps=8, stem="imagenet")
    sides = [model.get_layer("stage1_1").output.shape[1] for model in (plain, stem)]
    assert sides == [28, 7]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"module": "uniforn"}, "`module`.*did you mean 'uniform'"),
        ({"norm": "lrn"}, "`norm` cannot be 'lrn'"),
        ({"paths": ("1x1", "7x7")}, "`paths` cannot be '7x7'"),
        ({"paths": ()}, "number of `paths`"),
        ({"maps": 10}, "`maps` must be a multiple"),
        ({"stages": (("convs",),)}, "`stages`.*did you mean 'conv'"),
        ({"stem": "large"}, "`stem` cannot be 'large'"),
        ({"input_shape": (3, 3, 1)}, "at least 4x4"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        InceptionSmall(**arguments)


def test_residual_scales_are_per_kind_of_module_and_the_released_end_is_plain():
    model = InceptionResNetV2Slim(blocks=(1, 1, 2), input_shape=(75, 75, 3), classes=10)
    scales = {
        layer.name: layer.scale
        for layer in model.layers
        if isinstance(layer, keras.layers.Rescaling)
    }
    assert scales == {"block35_1_scale": 0.17, "block17_1_scale": 0.1, "block8_1_scale": 0.2}
    assert model.get_layer("block8_2").activation is keras.activations.linear
    assert model.get_layer("block8_1").activation is keras.activations.relu
    assert sources(model.get_layer("conv_7b")) == ["block8_2"]


def test_the_papers_form_has_no_scale_and_ends_in_relu():
    model = InceptionResNetV1(blocks=(1,), input_shape=(43, 43, 3), classes=10)
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]
    assert model.get_layer("block35_1").activation is keras.activations.relu
    linear = model.get_layer("block35_1_conv")
    assert linear.use_bias
    assert linear.activation is keras.activations.linear


@pytest.mark.parametrize("builder", [InceptionV3, InceptionV4, InceptionResNetV1])
def test_sides_go_from_299_to_8(builder):
    with tf.Graph().as_default():
        model = builder(include_top=False, blocks=(1, 1, 1))
    sides = [layer.output.shape[1] for layer in model.layers]
    seen = [side for n, side in enumerate(sides) if side not in sides[:n]]
    assert seen == [299, 149, 147, 73, 71, 35, 17, 8]


@pytest.mark.parametrize("blocks", [(), (1, 1, 1, 1), (0,), 3, (1.5,)])
def test_impossible_numbers_of_modules_are_refused(blocks):
    with pytest.raises(ValueError, match="`blocks`"):
        InceptionV4(blocks=blocks)


def test_smallest_images():
    with tf.Graph().as_default():
        for builder in (InceptionV3, InceptionV4):
            form = {"include_top": False, "blocks": (1, 1, 1)}
            assert builder(**form, input_shape=(75, 75, 3)).output_shape[1:3] == (1, 1)
            with pytest.raises(ValueError, match="at least 75x75"):
                builder(input_shape=(75, 74, 3))
