"""ShuffleNet's own arguments, its units against plain Keras layers, and the guidelines' probes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasref import models
from kerasref.layers import ChannelShuffle
from kerasref.models import shufflenet, shufflenet_v2


def structure(builder, **arguments):
    with tf.Graph().as_default():
        return getattr(models, builder)(**arguments)


def maps(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def randomised(model):
    """Random weights, so that no normalisation is the identity."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(0.2, 1.0, weight.shape) * rng.choice([-1, 1], weight.shape))
        if weight.name in ("moving_variance", "gamma"):
            weight.assign(np.abs(weight))
    return model


class Plain:
    """The figures' units in plain Keras layers; `made` lists those with weights, in order."""

    def __init__(self):
        self.made = []

    def conv(self, x, filters, groups=1):
        return self._normalised(layers.Conv2D(filters, 1, groups=groups, use_bias=False), x)

    def window(self, x, strides):
        if strides == 2:
            x = layers.ZeroPadding2D()(x)
        padding = "valid" if strides == 2 else "same"
        return self._normalised(layers.DepthwiseConv2D(3, strides, padding, use_bias=False), x)

    def _normalised(self, layer, x):
        norm = layers.BatchNormalization(epsilon=1e-5)
        self.made += [layer, norm]
        return norm(layer(x))

    def v1(self, x, filters, groups, strides, first, relu):
        """Figure 2.25(b) and (c)."""
        rest = filters - (x.shape[-1] if strides == 2 else 0)
        y = layers.ReLU()(self.conv(x, filters // 4, 1 if first else groups))
        y = y if first else listing_shuffle(y, groups)
        y = self.window(y, strides)
        y = layers.ReLU()(y) if relu else y
        y = self.conv(y, rest, groups)
        if strides == 1:
            return layers.ReLU()(layers.Add()([x, y]))
        x = layers.AveragePooling2D(3, 2)(layers.ZeroPadding2D()(x))
        return layers.ReLU()(layers.Concatenate()([x, y]))

    def v2(self, x, filters, strides):
        """Figure 2.29(c) and (d)."""
        half = filters // 2
        left, right = (x[..., :half], x[..., half:]) if strides == 1 else (x, x)
        if strides == 2:
            left = layers.ReLU()(self.conv(self.window(left, strides), half))
        right = layers.ReLU()(self.conv(right, half))
        right = layers.ReLU()(self.conv(self.window(right, strides), half))
        return listing_shuffle(layers.Concatenate()([left, right]), 2)


def listing_shuffle(x, groups):
    """The book's listing."""
    height, width, channels = x.shape[1:]
    x = layers.Reshape((height, width, groups, channels // groups))(x)
    x = layers.Permute((1, 2, 4, 3))(x)
    return layers.Reshape((height, width, channels))(x)


def assert_equal(unit, reference, names, shape):
    """`unit`, whose layers with weights are `names` in order, computes what `reference` does."""
    image = keras.Input(shape)
    ours = randomised(keras.Model(image, unit(image)))
    plain = Plain()
    theirs = keras.Model(image, reference(plain, image))
    assert sum(bool(layer.weights) for layer in ours.layers) == len(names)
    for name, layer in zip(names, plain.made, strict=True):
        layer.set_weights(ours.get_layer(f"unit_{name}").get_weights())
    x = maps(2, *shape)
    expected = np.asarray(theirs(x))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(ours(x) / scale, expected / scale, atol=1e-5)
    assert np.ptp(expected) > 0.01 * scale


RIGHT = ["1_conv", "1_bn", "2_conv", "2_bn", "3_conv", "3_bn"]
LEFT = ["0_depthwise", "0a_bn", "0_conv", "0_bn"]


@pytest.mark.parametrize(
    ("groups", "strides", "first", "relu"),
    [(3, 1, False, False), (2, 2, False, False), (3, 2, True, False), (2, 1, False, True)],
)
def test_v1_unit_is_the_figures(groups, strides, first, relu):
    filters = 24 if strides == 1 else 48
    assert_equal(
        lambda x: shufflenet.unit(
            x, filters, groups, "unit", strides=strides, first=first, relu=relu
        ),
        lambda plain, x: plain.v1(x, filters, groups, strides, first, relu),
        RIGHT,
        (6, 8, 24),
    )


@pytest.mark.parametrize("strides", [1, 2])
def test_v2_unit_is_the_figures(strides):
    assert_equal(
        lambda x: shufflenet_v2.unit(x, 12, "unit", strides=strides),
        lambda plain, x: plain.v2(x, 12, strides),
        RIGHT if strides == 1 else LEFT + RIGHT,
        (6, 8, 12),
    )


def test_one_group_is_the_residual_separable_unit_of_the_figure():
    model = structure("ShuffleNet", groups=1, relu_after_depthwise=True, units=(2,))
    kinds = [type(layer) for layer in model.layers if layer.name.startswith("stage2_block2_")]
    conv, norm, relu = layers.Conv2D, layers.BatchNormalization, layers.Activation
    depthwise = [layers.DepthwiseConv2D, norm, relu]
    assert kinds == [conv, norm, relu, *depthwise, conv, norm, layers.Add, relu]


def test_shuffle_stands_behind_every_first_convolution_in_groups():
    model = structure("ShuffleNet")
    shuffled = [layer.name for layer in model.layers if isinstance(layer, ChannelShuffle)]
    assert len(shuffled) == 15
    assert "stage2_block1_shuffle" not in shuffled
    assert model.get_layer("stage2_block1_1_conv").groups == 1
    assert model.get_layer("stage2_block1_3_conv").groups == 3
    without = structure("ShuffleNet", shuffle=False)
    assert not any(isinstance(layer, ChannelShuffle) for layer in without.layers)
    assert without.count_params() == model.count_params()


@pytest.mark.parametrize(("name", "ending"), [("ShuffleNet", "out"), ("ShuffleNetV2", "shuffle")])
def test_stages_halve_the_maps_and_double_the_channels(name, ending):
    model = structure(name)
    shapes = [
        model.get_layer(f"stage{stage}_block{block}_{ending}").output.shape[1:]
        for stage, block in ((2, 4), (3, 8), (4, 4))
    ]
    width = 240 if name == "ShuffleNet" else 116
    assert shapes == [(28, 28, width), (14, 14, 2 * width), (7, 7, 4 * width)]


def test_small_stem_keeps_small_images():
    for name in ("ShuffleNet", "ShuffleNetV2"):
        model = structure(name, stem="small", units=(1, 1), input_shape=(14, 14, 1))
        assert model.get_layer("conv1_act").output.shape[1:] == (14, 14, 24)
        assert model.get_layer("avg_pool").input.shape[1:3] == (4, 4)


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [("one", [1]), ("two_series", [1, 1]), ("two_parallel", [2]), ("four_parallel", [4])],
)
def test_fragments_are_in_series_or_in_parallel(arguments, steps):
    model = structure("FragmentProbe", fragments=arguments, blocks=1)
    x, found = model.input, []
    while True:
        followers = [layer for layer in model.layers if getattr(layer, "input", None) is x]
        if not isinstance(followers[0], layers.Conv2D):
            break
        found.append(len(followers))
        outputs = [layer.output for layer in followers]
        (x,) = (
            [layer.output for layer in model.layers if isinstance(layer, layers.Add)]
            if len(outputs) > 1
            else outputs
        )
    assert found == steps


def test_element_wise_probe_loses_what_it_is_told_to():
    for relu in (True, False):
        for shortcut in (True, False):
            model = structure("ElementWiseProbe", relu=relu, shortcut=shortcut, blocks=2)
            kinds = [type(layer) for layer in model.layers]
            assert kinds.count(layers.Activation) == (6 if relu else 0) + 1  # the predictions
            assert kinds.count(layers.Add) == (2 if shortcut else 0)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ShuffleNet", {"groups": 5}, "`groups` cannot be 5; known: 1, 2, 3, 4, 8"),
        ("ShuffleNet", {"groups": 7, "widths": (50, 60, 70)}, "7 must divide the channels"),
        ("ShuffleNet", {"units": (4, 8, 4, 4)}, "`units` must have 1 to 3 numbers"),
        ("ShuffleNet", {"units": ()}, "`units` must have 1 to 3 numbers"),
        ("ShuffleNet", {"scale": 0.001}, "`scale` must leave at least one channel"),
        ("ShuffleNet", {"stem": "smal"}, "did you mean 'small'"),
        ("ShuffleNetV2", {"scale": 0.7}, "`scale` cannot be 0.7"),
        ("ShuffleNetV2", {"widths": (15, 30, 60, 64)}, "must be even, not 15"),
        ("WidthProbe", {"widths": (8, 8, 8)}, "two numbers, c1 and c2"),
        ("WidthProbe", {"input_shape": (8, 8, 3)}, "must have 128 channels"),
        ("GroupProbe", {"groups": 3}, "3 must divide 128"),
        ("FragmentProbe", {"fragments": "two_serie"}, "did you mean 'two_series'"),
        ("ElementWiseProbe", {"channels": 0}, "positive integer"),
    ],
)
def test_wrong_arguments_are_named(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        structure(name, **arguments)
