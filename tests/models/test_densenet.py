"""DenseNet's wiring and arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref import models
from kerasref.models.densenet import dense_block, transition


def order(model):
    return [layer.name for layer in model.layers]


def channels(model, suffix):
    return [layer.output.shape[-1] for layer in model.layers if layer.name.endswith(suffix)]


def test_a_reader_may_choose_everything():
    model = models.DenseNet(
        growth_rate=24, blocks=(2, 3), theta=0.3, bottleneck=2, input_shape=(64, 64, 3), classes=10
    )
    assert channels(model, "_concat") == [72, 96, 28 + 24, 28 + 48, 28 + 72]
    assert channels(model, "_1_conv") == [48] * 5
    assert model.get_layer("pool2_conv").filters == 28  # floor(0.3 * 96)


def test_layers_are_in_the_papers_order():
    model = models.DenseNetCIFAR(depth=7, bottleneck=None)
    block = [name for name in order(model) if name.startswith("conv2_block1")]
    assert [name.removeprefix("conv2_block1_") for name in block] == [
        "0_bn",
        "0_act",
        "1_conv",
        "concat",
    ]
    model = models.DenseNetCIFAR(depth=10, bottleneck=4, theta=0.5)
    block = [name for name in order(model) if name.startswith("conv2_block1")]
    assert [name.removeprefix("conv2_block1_") for name in block] == [
        "0_bn",
        "0_act",
        "1_conv",
        "1_bn",
        "1_act",
        "2_conv",
        "concat",
    ]
    start = order(model).index("pool2_bn")
    assert order(model)[start : start + 4] == ["pool2_bn", "pool2_act", "pool2_conv", "pool2_pool"]
    assert order(model)[-5:] == ["final_bn", "final_act", "avg_pool", "fc", "predictions"]


def test_a_layer_sees_all_earlier_outputs_in_their_order():
    x = keras.Input((4, 4, 3))
    model = keras.Model(x, dense_block(x, 3, 2, "block"))
    image = np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype("float32")
    parts = [
        keras.Model(x, model.get_layer(f"block_block{n}_1_conv").output)(image) for n in (1, 2, 3)
    ]
    np.testing.assert_allclose(model(image), np.concatenate([image, *parts], axis=-1), rtol=1e-6)


@pytest.mark.parametrize("pool", ["average", "max"])
def test_transition_pools_as_asked(pool):
    x = keras.Input((4, 4, 3))
    model = keras.Model(x, transition(x, 5, "t", pool=pool))
    before = keras.Model(x, model.get_layer("t_conv").output)
    image = np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype("float32")
    windows = np.asarray(before(image)).reshape(1, 2, 2, 2, 2, 5)
    expected = {"average": np.mean, "max": np.max}[pool](windows, axis=(2, 4))
    np.testing.assert_allclose(model(image), expected, rtol=1e-5, atol=1e-6)


def test_book_form_pools_after_every_block_and_converts_between():
    names = order(models.DenseNetMNIST())
    assert [n for n in names if n.startswith("pool")] == ["pool2_conv", "pool2_pool", "pool3_pool"]
    assert names[-4:] == ["flatten", "fc1", "fc2", "predictions"]


def test_stems_of_the_cifar_forms():
    stem = [
        models.DenseNetCIFAR(depth=depth, growth_rate=12, **form).get_layer("conv1_conv").filters
        for depth, form in (
            (7, {}),
            (7, {"theta": 0.5}),
            (10, {"bottleneck": 4}),
            (10, {"bottleneck": 4, "theta": 0.5}),
        )
    ]
    assert stem == [16, 16, 16, 24]


def test_perceptrons_connect_all_or_neighbours():
    dense, plain = models.DenseMLP(units=(5, 6)), models.DenseMLP(units=(5, 6), connected=False)
    assert dense.get_layer("output").kernel.shape == (784 + 11, 10)
    assert plain.get_layer("output").kernel.shape == (6, 10)


@pytest.mark.parametrize(
    ("builder", "argument", "value", "message"),
    [
        ("DenseNet", "growth_rate", 0, "positive integer"),
        ("DenseNet", "blocks", (), "at least one"),
        ("DenseNet", "blocks", (2, 0), "positive integer"),
        ("DenseNet", "theta", 0, "above 0"),
        ("DenseNet", "theta", 1.5, "at most 1"),
        ("DenseNet", "bottleneck", 0, "positive integer"),
        ("DenseNet", "stem", "lage", "did you mean 'large'"),
        ("DenseNet", "transition_pool", "men", "'average', 'max'"),
        ("DenseNetCIFAR", "depth", 41, "multiple of 3"),
        ("DenseNetCIFAR", "depth", 4, "multiple of 3"),
        ("DenseNetMNIST", "theta", -1, "above 0"),
        ("DenseMLP", "units", (4, 0), "positive integer"),
    ],
)
def test_wrong_arguments_are_named(builder, argument, value, message):
    with pytest.raises(ValueError, match=message) as error:
        getattr(models, builder)(**{argument: value})
    assert f"`{argument}`" in str(error.value)


def test_smallest_images():
    with tf.Graph().as_default():
        small = models.DenseNet(blocks=(1, 1, 1, 1), growth_rate=2, input_shape=(29, 29, 3))
        assert small.get_layer("final_act").output.shape[1:3] == (1, 1)
        with pytest.raises(ValueError, match="at least 29x29"):
            models.DenseNet(blocks=(1, 1, 1, 1), input_shape=(29, 28, 3))
        assert models.DenseNetCIFAR(depth=7, input_shape=(4, 4, 3))
        with pytest.raises(ValueError, match="at least 4x4"):
            models.DenseNetMNIST(input_shape=(3, 28, 1))
