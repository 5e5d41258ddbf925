"""ChannelShuffle and ChannelSplit against NumPy and the book's example."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.layers import ChannelShuffle, ChannelSplit


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_equals_the_books_example():
    y = ChannelShuffle(3)(np.arange(9.0)[None])
    np.testing.assert_array_equal(y, [[0, 3, 6, 1, 4, 7, 2, 5, 8]])


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("shape", [(2, 5, 4, 12), (3, 12), (2, 3, 4, 5, 12)])
def test_channel_k_of_group_j_goes_to_place_k_g_plus_j(groups, shape):
    x = random(*shape)
    y = np.asarray(ChannelShuffle(groups)(x))
    size = 12 // groups
    for j in range(groups):
        for k in range(size):
            np.testing.assert_array_equal(y[..., k * groups + j], x[..., j * size + k])


def test_inverse_and_gradient():
    x, upstream = tf.constant(random(2, 3, 4, 12)), random(2, 3, 4, 12)[::-1]
    inverse = ChannelShuffle(4)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ChannelShuffle(3)(x)
    np.testing.assert_array_equal(inverse(y), x)
    np.testing.assert_array_equal(tape.gradient(y, x, upstream), inverse(upstream))


def test_splits_into_first_and_rest():
    x = random(2, 3, 4, 7)
    first, rest = ChannelSplit(3)(x)
    np.testing.assert_array_equal(first, x[..., :3])
    np.testing.assert_array_equal(rest, x[..., 3:])


def test_images_of_any_size_and_a_file(tmp_path):
    image = keras.Input((None, None, 6))
    left, right = ChannelSplit(2)(ChannelShuffle(3)(image))
    assert (left.shape, right.shape) == ((None, None, None, 2), (None, None, None, 4))
    model = keras.Model(image, [left, right])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = random(2, 5, 3, 6)
    expected = x[..., [0, 2, 4, 1, 3, 5]]
    for outputs in (model(x), loaded(x), model.predict(x, verbose=0)):
        np.testing.assert_array_equal(np.concatenate(outputs, axis=-1), expected)


@pytest.mark.parametrize("layer", [ChannelShuffle, ChannelSplit])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_wrong_numbers_are_named(layer, value):
    with pytest.raises(ValueError, match="must be a positive integer"):
        layer(value)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (ChannelShuffle(4), "`groups` must divide the number of channels, not 4 for 6"),
        (ChannelSplit(6), "`channels` must be below the 6 of the input, not 6"),
    ],
)
def test_channels_that_do_not_fit_are_named(layer, message):
    with pytest.raises(ValueError, match=message):
        layer(keras.Input((3, 3, 6)))
