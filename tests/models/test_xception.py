"""Xception's own arguments, and its counts from arithmetic alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.analysis import counts
from kerasref.models import Xception, XceptionSmall
from kerasref.models.xception import Separable


def arithmetic(*, stem, entry, middle, ending, side, channels, classes):
    """Trainable and all parameters and MACs, adding up kernels convolution by convolution."""
    first, second, strides = stem
    weights = 9 * channels * first + 9 * first * second
    side = side if strides == 1 else (side - 3) // 2 + 1
    macs = 9 * channels * first * side**2
    side = side if strides == 1 else side - 2
    macs += 9 * first * second * side**2
    normalised, seen = first + second, second
    modules = [(size, size) for size in entry] + [(entry[-1],) * 3] * middle
    for filters in [*modules, (entry[-1], ending[0]), ending[1:]]:
        before = seen
        for size in filters:
            kernel = 9 * seen + seen * size
            weights, macs = weights + kernel, macs + kernel * side**2
            normalised, seen = normalised + size, size
        if len(filters) == 2 and filters != ending[1:]:
            side = -(-side // 2)
            weights, macs = weights + before * seen, macs + before * seen * side**2
            normalised += seen
    trainable = weights + 2 * normalised + (seen + 1) * classes
    return trainable, trainable + 2 * normalised, macs + seen * classes


PAPER = {"stem": (32, 64, 2), "entry": (128, 256, 728), "ending": (1024, 1536, 2048)}
SMALL = {"stem": (16, 32, 1), "entry": (32, 64), "ending": (128, 192, 256)}


def test_arithmetic_gives_what_is_published():
    """The parameters of the paper and of Keras, and the MACs in counts/xception.csv."""
    found = arithmetic(**PAPER, middle=8, side=299, channels=3, classes=1000)
    assert found == (22_855_952, 22_910_480, 8_357_403_496)


@pytest.mark.parametrize(("middle", "side", "channels"), [(4, 28, 1), (4, 14, 1), (8, 15, 3)])
def test_counts_of_the_small_form_by_arithmetic(middle, side, channels):
    with tf.Graph().as_default():
        total = counts.count(XceptionSmall(middle=middle, input_shape=(side, side, channels)))
    expected = arithmetic(**SMALL, middle=middle, side=side, channels=channels, classes=10)
    assert (total.trainable, total.params, total.macs) == expected


def test_maps_and_convolutions_are_those_of_figure_5():
    with tf.Graph().as_default():
        model = Xception()
    ends = {"block1_conv2_act": (147, 64), "block2_add": (74, 128), "block3_add": (37, 256)}
    ends |= {f"block{number}_add": (19, 728) for number in range(4, 13)}
    ends |= {"block13_add": (10, 1024), "block14_sepconv2_act": (10, 2048)}
    for name, (side, channels) in ends.items():
        assert model.get_layer(name).output.shape[1:] == (side, side, channels)
    convolutions = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.SeparableConv2D)
        and not layer.name.endswith("_shortcut")
    ]
    assert len(convolutions) == 36
    assert sum(isinstance(layer, keras.layers.Add) for layer in model.layers) == 12


def separable(filters, *, channels=5, **arguments):
    keras.utils.set_random_seed(0)
    image = keras.Input((7, 6, channels))
    return keras.Model(image, Separable(**arguments)(image, filters, "s"))


def maps(channels=5):
    return np.random.default_rng(0).normal(size=(2, 7, 6, channels)).astype("float32")


def test_one_layer_and_its_two_parts_compute_the_same():
    whole, parts = separable(8), separable(8, activation="linear")
    parts.set_weights(whole.get_weights())
    assert [layer.name for layer in parts.layers[1:]] == ["s_depthwise", "s_between", "s_pointwise"]
    np.testing.assert_allclose(parts(maps()), whole(maps()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", ["depthwise_first", "pointwise_first"])
@pytest.mark.parametrize("activation", [None, "relu", "elu"])
def test_forms_are_the_formula(order, activation):
    model = separable(8, order=order, activation=activation)
    window, matrix = sorted((w.numpy() for w in model.weights), key=lambda w: -w.shape[0])
    window, matrix = window[..., 0], matrix[0, 0]

    def depthwise(x):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        places = [(i, j) for i in range(3) for j in range(3)]
        return sum(padded[:, i : i + 7, j : j + 6] * window[i, j] for i, j in places)

    act = {None: lambda x: x, "relu": lambda x: np.maximum(x, 0), "elu": keras.ops.elu}[activation]
    if order == "depthwise_first":
        expected = np.asarray(act(depthwise(maps()))) @ matrix
    else:
        expected = depthwise(np.asarray(act(maps() @ matrix)))
    np.testing.assert_allclose(model(maps()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("arguments", [{}, {"order": "pointwise_first"}, {"activation": "relu"}])
def test_initial_weights_keep_the_variance_in_every_form(arguments):
    keras.utils.set_random_seed(0)
    image = keras.Input((9, 9, 256))
    model = keras.Model(image, Separable(**arguments)(image, 256, "s"))
    depthwise, pointwise = sorted((w.numpy() for w in model.weights), key=np.size)
    assert depthwise.std() == pytest.approx((2 / 9) ** 0.5, rel=0.05)
    assert pointwise.std() == pytest.approx((2 / 256) ** 0.5, rel=0.05)


def test_without_residuals_it_is_a_chain():
    with tf.Graph().as_default():
        plain, whole = XceptionSmall(residual=False), XceptionSmall()
    assert all(not isinstance(layer.input, list) for layer in plain.layers[1:])
    own = {layer.name for layer in whole.layers} - {layer.name for layer in plain.layers}
    assert {name.rsplit("_", 1)[-1] for name in own} == {"shortcut", "bn", "add"}
    assert all("shortcut" in name for name in own if name.endswith("bn"))


def test_every_module_adds_its_input():
    model = XceptionSmall(middle=1)
    normalised, before = model.get_layer("block4_add").input
    assert normalised._keras_history.operation.name == "block4_sepconv3_bn"
    assert before._keras_history.operation.name == "block3_add"
    pooled, projected = model.get_layer("block3_add").input
    assert pooled._keras_history.operation.name == "block3_pool"
    assert projected._keras_history.operation.name == "block3_shortcut_bn"


def test_pooling_pads_with_nothing():
    """A negative maximum at the border stays what it is."""
    model = XceptionSmall(middle=1, residual=False)
    pool = model.get_layer("block2_pool")
    np.testing.assert_array_equal(pool(-np.ones((1, 5, 5, 1))), -np.ones((1, 3, 3, 1)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "depthwise"}, "`order`.*did you mean 'depthwise_first'"),
        ({"middle": 0}, "`middle` must be a positive integer, not 0"),
        ({"width": 0}, "`width` must be above 0, not 0"),
        ({"input_shape": (6, 6, 3)}, "`input_shape` must be at least 7x7"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Xception(**arguments)
