"""MobileNet's own arguments, and equality with the book's listings in plain Keras layers."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasref.models import (
    MobileNet,
    MobileNetSmall,
    MobileNetV2,
    MobileNetV2Book,
    MobileNetV2Small,
    SimpleMobileNetV1,
    SimpleNaiveConvNet,
)


@functools.cache
def structure(builder, **arguments):
    with tf.Graph().as_default():
        return builder(**arguments)


def names(model, end=""):
    return [layer.name for layer in model.layers if layer.name.endswith(end)]


def shapes(model, *wanted):
    return [model.get_layer(name).output.shape[1:] for name in wanted]


def simple_listing(separable):
    """The book's two networks as it writes them."""

    def convolve(x, filters, strides):
        if not separable:
            return layers.Conv2D(filters, 3, strides=strides, padding="same", activation="relu")(x)
        x = layers.DepthwiseConv2D(3, strides=strides, padding="same", activation="relu")(x)
        return layers.Conv2D(filters, 1, activation="relu")(x)

    image = keras.Input((28, 28, 1))
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(image)
    for filters, strides in ((64, 1), (128, 1), (128, 2)):
        x = convolve(x, filters, strides)
    x = layers.BatchNormalization()(layers.GlobalAveragePooling2D()(x))
    x = layers.BatchNormalization()(layers.Dense(128, activation="relu")(x))
    return keras.Model(image, layers.Dense(10)(x))


def v2_listing(expand_by_output=True):
    """The book's `MobileNetV2_relu`."""

    def block(x, filters):
        wide = 6 * (filters if expand_by_output else x.shape[-1])
        shortcut = x if x.shape[-1] == filters else layers.Conv2D(filters, 1)(x)
        y = layers.Activation("relu6")(layers.Conv2D(wide, 1, padding="same")(x))
        y = layers.Activation("relu6")(layers.DepthwiseConv2D(3, padding="same")(y))
        return layers.add([shortcut, layers.Conv2D(filters, 1)(y)])

    image = keras.Input((28, 28, 1))
    x = layers.MaxPooling2D(2)(block(layers.Conv2D(32, 3, padding="same")(image), 8))
    x = layers.MaxPooling2D(2)(block(block(x, 16), 16))
    x = layers.GlobalAveragePooling2D()(block(x, 32))
    x = layers.Dense(128, activation="relu")(x)
    return keras.Model(image, layers.Dense(10)(x))


@pytest.mark.parametrize(
    ("listing", "builder", "arguments"),
    [
        (simple_listing(separable=False), SimpleNaiveConvNet, {}),
        (simple_listing(separable=True), SimpleMobileNetV1, {}),
        (v2_listing(), MobileNetV2Book, {}),
        (v2_listing(expand_by_output=False), MobileNetV2Book, {"expand_by": "input"}),
    ],
)
def test_the_books_networks_are_its_listings(listing, builder, arguments):
    rng = np.random.default_rng(0)
    for weight in listing.weights:
        if "kernel" in weight.path:
            window, channels = weight.shape[:-2], weight.shape[-2]
            seen = np.prod(window) * (1 if weight.shape[-1] == 1 else channels)
            weight.assign(rng.normal(scale=np.sqrt(2 / seen), size=weight.shape))
        elif "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        else:
            weight.assign(rng.normal(1.0 if "gamma" in weight.path else 0.0, 0.1, weight.shape))
    model = builder(**arguments, classifier_activation=None)
    model.set_weights(listing.get_weights())
    x = rng.normal(size=(3, 28, 28, 1)).astype("float32")
    expected = np.asarray(listing(x))
    assert np.ptp(expected, axis=0).max() > 0.01
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["linear", "relu", "relu6"])
def test_the_books_block_ends_as_asked(activation):
    model = structure(MobileNetV2Book, projection_activation=activation)
    for number in range(1, 5):
        last = model.get_layer(f"block{number}_project")
        assert last.activation.__name__ == activation
        assert last.output in model.get_layer(f"block{number}_add").input


def test_blocks_of_the_first_version_are_the_papers_table():
    model = structure(MobileNet)
    assert shapes(model, "conv1", "block1_pointwise", "block2_depthwise", "block2_pointwise") == [
        (112, 112, 32),
        (112, 112, 64),
        (56, 56, 64),
        (56, 56, 128),
    ]
    assert shapes(model, "block11_pointwise", "block12_depthwise", "block13_pointwise") == [
        (14, 14, 512),
        (7, 7, 512),
        (7, 7, 1024),
    ]
    assert len(names(model, "_depthwise")) == 13
    assert all(layer.activation.__name__ == "relu6" for layer in acts(model))


def acts(model):
    return [model.get_layer(name) for name in names(model, "_act")]


@pytest.mark.parametrize(("builder", "number"), [(MobileNetSmall, 11), (MobileNetV2Small, 15)])
def test_activation_replaces_relu6_everywhere(builder, number):
    model = structure(builder, activation="relu")
    assert [layer.activation.__name__ for layer in acts(model)] == ["relu"] * number


def test_plain_blocks_have_one_3x3_convolution():
    model = structure(MobileNet, separable=False)
    assert not names(model, "_depthwise")
    assert model.get_layer("block2_conv").kernel.shape == (3, 3, 64, 128)
    assert shapes(model, "block13_conv") == [(7, 7, 1024)]


@pytest.mark.parametrize(("alpha", "channels"), [(1, 128), (0.75, 96), (0.5, 64), (0.001, 1)])
def test_alpha_scales_the_channels(alpha, channels):
    model = structure(MobileNetSmall, alpha=alpha)
    assert shapes(model, "block5_pointwise") == [(7, 7, channels)]


def test_rho_is_the_side_of_the_image():
    large, small = (structure(MobileNet, input_shape=(side, side, 3)) for side in (224, 128))
    assert large.count_params() == small.count_params()
    assert shapes(small, "block13_pointwise") == [(4, 4, 1024)]


@pytest.mark.parametrize("builder", [MobileNetSmall, MobileNetV2Small])
def test_dropout_stands_before_the_classifier(builder):
    assert not names(structure(builder), "dropout")
    model = structure(builder, dropout=0.2)
    assert names(model)[-4:] == ["avg_pool", "dropout", "fc", "predictions"]
    assert model.get_layer("dropout").rate == 0.2


def test_blocks_of_the_second_version_are_the_papers_table():
    model = structure(MobileNetV2)
    assert shapes(model, "block1_project", "block3_project", "block6_project") == [
        (112, 112, 16),
        (56, 56, 24),
        (28, 28, 32),
    ]
    assert shapes(model, "block14_expand", "block14_depthwise", "block17_project", "last") == [
        (14, 14, 576),
        (7, 7, 576),
        (7, 7, 320),
        (7, 7, 1280),
    ]
    assert len(names(model, "_project")) == 17
    assert names(model, "_project_act") == []


def test_shortcuts_join_bottlenecks_of_equal_shape():
    model = structure(MobileNetV2)
    joined = [int(name.split("_")[0].removeprefix("block")) for name in names(model, "_add")]
    assert joined == [3, 5, 6, 8, 9, 10, 12, 13, 15, 16]
    shortcut, residual = model.get_layer("block3_add").input
    assert shortcut._keras_history.operation.name == "block2_project_bn"
    assert residual._keras_history.operation.name == "block3_project_bn"
    assert names(structure(MobileNetV2, shortcut=None), "_add") == []


def test_shortcuts_between_expansions_join_wide_maps_of_equal_shape():
    model = structure(MobileNetV2, shortcut="expansion")
    shortcut, wide = model.get_layer("block4_add").input
    assert shortcut._keras_history.operation.name == "block3_expand_act"
    assert wide._keras_history.operation.name == "block4_expand_bn"
    assert shortcut.shape == wide.shape == (None, 56, 56, 144)
    assert model.get_layer("block4_expand_act").input is model.get_layer("block4_add").output
    joined = [int(name.split("_")[0].removeprefix("block")) for name in names(model, "_add")]
    assert joined == [4, 6, 7, 9, 10, 11, 13, 14, 16, 17]


def test_a_block_without_residual_is_its_shortcut():
    keras.utils.set_random_seed(0)
    model = MobileNetV2Small()
    model.get_layer("block3_project_bn").gamma.assign(np.zeros(24))
    inside = [model.get_layer(f"block{name}").output for name in ("2_project_bn", "3_add")]
    x = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype("float32")
    before, after = keras.Model(model.input, inside)(x)
    np.testing.assert_array_equal(after, before)
    assert np.min(before) < 0 < np.max(before)  # a linear bottleneck


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_the_projection_may_have_an_activation_before_the_addition(activation):
    model = structure(MobileNetV2Small, projection_activation=activation)
    last = model.get_layer("block3_project_act")
    assert last.activation.__name__ == activation
    assert model.get_layer("block3_add").input[1] is last.output


@pytest.mark.parametrize(("expansion", "wide"), [(6, 144), (2.5, 60), (0.25, 6), (0.001, 1)])
def test_expansion_multiplies_the_channels_of_the_input(expansion, wide):
    model = structure(MobileNetV2Small, expansion=expansion)
    assert shapes(model, "block3_expand", "block3_depthwise", "block3_project") == [
        (14, 14, wide),
        (14, 14, wide),
        (14, 14, 24),
    ]
    assert "block1_expand" not in names(model)


def test_an_expansion_of_1_has_no_convolution():
    assert names(structure(MobileNetV2Small, expansion=1), "_expand") == []


# 8 at least, the nearest multiple of 8, and never more than 10 % below
@pytest.mark.parametrize(
    ("alpha", "first", "stages"),
    [
        (0.35, 16, [8, 8, 16, 24, 32, 56, 112]),
        (0.75, 24, [16, 24, 24, 48, 72, 120, 240]),
        (1.4, 48, [24, 32, 48, 88, 136, 224, 448]),
    ],
)
def test_channels_of_the_second_version_are_multiples_of_8(alpha, first, stages):
    model = structure(MobileNetV2, alpha=alpha)
    ends = [f"block{number}_project" for number in (1, 3, 6, 10, 13, 16, 17)]
    assert model.get_layer("conv1").filters == first
    assert [model.get_layer(name).filters for name in ends] == stages
    assert model.get_layer("last").filters == (1792 if alpha > 1 else 1280)


@pytest.mark.parametrize(
    ("builder", "arguments", "message"),
    [
        (MobileNet, {"alpha": 0}, "`alpha` must be above 0, not 0"),
        (MobileNet, {"activation": "relu7"}, "did you mean 'relu"),
        (MobileNet, {"blocks": ((0, 1),)}, "`blocks` must be a positive integer"),
        (MobileNetV2, {"alpha": -1}, "`alpha` must be above 0, not -1"),
        (MobileNetV2, {"expansion": 0}, "`expansion` must be above 0, not 0"),
        (MobileNetV2, {"shortcut": "expansions"}, "did you mean 'expansion'"),
        (MobileNetV2, {"projection_activation": "lin"}, "did you mean 'linear'"),
        (MobileNetV2, {"stages": ((16, 0, 1),)}, "`stages` must be a positive integer"),
        (MobileNetV2Book, {"expand_by": "outputs"}, "did you mean 'output'"),
        (MobileNetV2Book, {"expansion": 0.5}, "`expansion` must be a positive integer"),
        (MobileNetV2Book, {"input_shape": (3, 3, 1)}, "at least 4x4"),
        (SimpleMobileNetV1, {"filters": (8, 0)}, "`filters and units` must be a positive"),
    ],
)
def test_wrong_arguments_are_named(builder, arguments, message):
    with pytest.raises(ValueError, match=message):
        builder(**arguments)
