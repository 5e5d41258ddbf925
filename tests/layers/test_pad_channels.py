import keras
import numpy as np
import pytest

from kerasref.layers import PadChannels


def test_appends_zeros():
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 2)).astype("float32")
    layer = PadChannels(5)
    y = np.asarray(layer(x))
    np.testing.assert_array_equal(y[..., :2], x)
    np.testing.assert_array_equal(y[..., 2:], np.zeros((2, 3, 3, 3)))
    assert layer.compute_output_shape((None, 3, 3, 2)) == (None, 3, 3, 5)
    np.testing.assert_array_equal(PadChannels(2)(x), x)


def test_is_serialisable():
    copy = keras.layers.deserialize(keras.layers.serialize(PadChannels(4, name="pad")))
    assert (copy.channels, copy.name) == (4, "pad")


@pytest.mark.parametrize("channels", [0, 1.5])
def test_wrong_numbers_are_named(channels):
    with pytest.raises(ValueError, match="`channels` must be a positive integer"):
        PadChannels(channels)


def test_more_channels_than_asked_for_are_refused():
    with pytest.raises(ValueError, match="`channels` is 2, the input has 3"):
        PadChannels(2)(np.zeros((1, 4, 4, 3)))
