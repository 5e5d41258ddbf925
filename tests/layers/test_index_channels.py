"""Index layers, and the group convolution behind them, against NumPy and Keras."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.analysis import counts
from kerasref.layers import GroupedConv2D, IndexChannels, IndexedGroupConv2D

BOOK = [3, 7, 9, 12, 1, 5, 10, 12, 5, 6, 8, 11]


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def convolution(channels=12, **arguments):
    settings = {"filters": 6, "groups": 3, "condensation": 3, "name": "conv", **arguments}
    layer = IndexedGroupConv2D(**settings)
    layer.build((None, None, None, channels))
    return layer


def test_gathers_in_the_order_given():
    numbers = np.arange(1.0, 13.0)[None, None, None]
    layer = IndexChannels(np.subtract(BOOK, 1))
    assert np.asarray(layer(numbers)).ravel().tolist() == BOOK
    assert layer.compute_output_shape((None, 4, 5, 12)) == (None, 4, 5, 12)
    assert IndexChannels([1])(random(2, 12)).shape == (2, 1)


def test_indices_are_weights(tmp_path):
    image = keras.Input((2, 2, 5))
    model, other = (keras.Model(image, IndexChannels([4, 0, k])(image)) for k in (4, 1))
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    x = random(2, 2, 2, 5)
    np.testing.assert_array_equal(other(x), x[..., [4, 0, 4]])
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))
    total = counts.count(model)
    assert (total.macs, total.trainable, total.non_trainable) == (0, 0, 3)


@pytest.mark.parametrize(
    ("indices", "message"),
    [([], "at least 0"), ([1, -1], "at least 0"), ([0, 5], "up to 5, the input has 5 channels")],
)
def test_wrong_indices_are_named(indices, message):
    with pytest.raises(ValueError, match=rf"`indices`.*{message}"):
        IndexChannels(indices)(np.zeros((1, 2, 2, 5)))


@pytest.mark.parametrize("form", ["_scatter_weights", "_gather_channels"])
def test_forms_equal_an_index_layer_and_keras_group_convolution(form):
    layer, x = convolution(), random(2, 4, 5, 12)
    layer.indices.assign(np.subtract(BOOK, 1).reshape(3, 4))
    layer.kernel.assign(random(1, 1, 4, 6))
    grouped = keras.layers.Conv2D(6, 1, groups=3, use_bias=False)
    expected = keras.Sequential([IndexChannels(np.subtract(BOOK, 1)), grouped])
    expected.build(x.shape)
    grouped.set_weights([layer.kernel])
    np.testing.assert_allclose(getattr(layer, form)(x), expected(x), rtol=1e-5, atol=1e-5)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(getattr(layer, form)(x) ** 2)
    gradient = tape.gradient(value, layer.kernel.value)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(expected(x) ** 2)
    np.testing.assert_allclose(
        gradient, tape.gradient(value, grouped.kernel.value), rtol=1e-4, atol=1e-4
    )


def test_a_new_layer_is_a_standard_group_convolution():
    layer, x = convolution(use_bias=True), random(2, 4, 5, 12)
    layer.bias.assign(random(6))
    plain = keras.layers.Conv2D(6, 1, groups=3)
    plain.build(x.shape)
    plain.set_weights([layer.kernel, layer.bias])
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-5, atol=1e-6)


def test_other_factors_than_groups():
    layer, x = convolution(condensation=2, filters=3), random(1, 2, 2, 12)
    layer.indices.assign(np.stack([np.random.default_rng(n).permutation(12)[:6] for n in range(3)]))
    kernel, indices = np.asarray(layer.kernel)[0, 0], np.asarray(layer.indices)
    expected = [x[..., indices[g]] @ kernel[:, g] for g in range(3)]
    np.testing.assert_allclose(layer(x), np.stack(expected, axis=-1), rtol=1e-5, atol=1e-6)


def test_counts_what_a_group_convolution_multiplies():
    image = keras.Input((5, 4, 12))
    total = counts.count(keras.Model(image, IndexedGroupConv2D(6, 3, 3)(image)))
    assert (total.macs, total.trainable, total.non_trainable) == (20 * 24, 24, 12)


def test_convolution_survives_a_file(tmp_path):
    image = keras.Input((None, None, 12))
    layer = IndexedGroupConv2D(6, 3, 3, use_bias=True)
    model = keras.Model(image, layer(image))
    layer.indices.assign(np.subtract(BOOK, 1).reshape(3, 4))
    model.save(tmp_path / "model.keras")
    x = random(2, 3, 4, 12)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


def test_half_precision_keeps_its_type():
    layer = convolution(dtype="mixed_float16")
    assert layer(random(2, 3, 3, 12)).dtype == "float16"
    assert layer.indices.dtype == "int32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 7}, "`filters` must be a multiple of `groups`, not 7 for 3"),
        ({"groups": 0}, "`groups` must be a positive integer"),
        ({"condensation": 5}, "5 does not divide 12"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        convolution(**arguments)


@pytest.mark.timing
def test_placing_weights_is_faster_than_moving_maps(race):
    """Maps as in CondenseNet-86's second block, forward and backward."""
    x = tf.constant(random(16, 16, 16, 240))
    placed = convolution(channels=240, filters=64, groups=4, condensation=4)
    order = np.random.default_rng(0).permutation(240)
    placed.indices.assign(order.reshape(4, 60))
    grouped = GroupedConv2D(64, 1, groups=4, use_bias=False)
    moved = keras.Sequential([IndexChannels(order), grouped])
    moved.build(x.shape)
    grouped.set_weights([placed.kernel])

    def step(layer, kernel):
        @tf.function
        def gradient():
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_sum(layer(x) ** 2)
            return tape.gradient(value, [x, kernel.value])

        def seconds():
            began = time.process_time()
            gradient()
            return time.process_time() - began

        seconds()  # traces
        return seconds

    race(
        lambda placed, moved: placed < moved,
        rounds=50,
        placed=step(placed, placed.kernel),
        moved=step(moved, grouped.kernel),
    )
