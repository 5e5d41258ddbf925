import dataclasses

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kerasref import data


def rows(x, y):
    return sorted((image.tobytes(), int(label)) for image, label in zip(x, y, strict=True))


def test_digits_are_scikit_learns_each_once():
    digits = data.load("digits")
    assert digits.x_train.shape == (1437, 8, 8, 1)
    assert digits.x_test.shape == (360, 8, 8, 1)
    assert (digits.x_train.dtype, digits.y_train.dtype) == ("uint8", "int32")
    assert (digits.classes, digits.source) == (10, "digits")
    original = load_digits()
    # 0..16 becomes 0..255; the way back is exact because a step is 15.9 wide.
    x = np.concatenate([digits.x_train, digits.x_test]) * (16 / 255)
    found = rows(np.rint(x).astype("uint8"), np.concatenate([digits.y_train, digits.y_test]))
    assert found == rows(original.images.astype("uint8")[..., None], original.target)
    assert digits.x_train.max() == 255


def test_subsets_are_nested_and_mixed():
    small, large = data.load("digits", train=100, test=50), data.load("digits", train=500)
    np.testing.assert_array_equal(small.x_train, large.x_train[:100])
    np.testing.assert_array_equal(small.y_train, large.y_train[:100])
    np.testing.assert_array_equal(small.y_test, large.y_test[:50])
    assert set(small.y_train) == set(range(10))


def test_another_seed_takes_other_examples():
    first, second = data.load("digits", train=100), data.load("digits", train=100, seed=1)
    assert not np.array_equal(first.x_train, second.x_train)
    assert rows(first.x_test, first.y_test) == rows(second.x_test, second.y_test)


def test_what_a_caller_writes_does_not_reach_the_next():
    before = data.load("digits", train=10)
    data.load("digits", train=10).x_train[:] = 0
    assert data.load("digits", train=10).fingerprint == before.fingerprint


def test_the_fingerprint_is_of_the_arrays():
    from kerasref.data.images import fingerprint

    digits = data.load("digits", train=20, test=10)
    arrays = [digits.x_train, digits.y_train, digits.x_test, digits.y_test]
    assert digits.fingerprint == fingerprint(*arrays)
    assert len(digits.fingerprint) == 16
    changed = [array.copy() for array in arrays]
    changed[0][3, 2, 1, 0] ^= 1
    assert fingerprint(*changed) != digits.fingerprint
    assert fingerprint(arrays[0].reshape(20, 64), *arrays[1:]) != digits.fingerprint


@pytest.mark.parametrize("size", [(32, 32), (5, 5), (4, 12)])
def test_resizing_is_bilinear(size):
    """Against TensorFlow's own (Pillow and TensorFlow both filter when shrinking)."""
    import tensorflow as tf

    original = data.load("digits", train=64, test=1)
    resized = data.load("digits", train=64, test=1, image_size=size)
    expected = tf.image.resize(original.x_train, size, "bilinear", antialias=True).numpy()
    assert resized.x_train.shape == (64, *size, 1)
    # Both steps of Pillow's separable filter round to whole numbers.
    assert np.abs(resized.x_train - expected).max() <= 1.01


def test_one_number_means_a_square():
    square = data.load("digits", train=3, test=2, image_size=12)
    assert square.x_train.shape == (3, 12, 12, 1)
    assert square.x_test.shape == (2, 12, 12, 1)


def test_grey_is_repeated_for_three_channels():
    grey = data.load("digits", train=5, test=5, image_size=16)
    colour = data.load("digits", train=5, test=5, image_size=16, channels=3)
    assert colour.x_test.shape == (5, 16, 16, 3)
    for channel in range(3):
        np.testing.assert_array_equal(colour.x_train[..., channel], grey.x_train[..., 0])


def test_colour_images_are_resized_channel_by_channel(monkeypatch):
    from kerasref.data import images

    x = np.random.default_rng(0).integers(0, 256, (4, 8, 6, 3), "uint8")
    source = dataclasses.replace(data.SOURCES["digits"], shape=(8, 6, 3), train=4, test=4)
    monkeypatch.setitem(data.SOURCES, "digits", source)
    splits = ((x, np.arange(4)), (x, np.arange(4)))
    monkeypatch.setattr(images, "_read", lambda *_: splits)
    colour = data.load("digits", image_size=(16, 12), channels=3)
    for channel in range(3):
        monkeypatch.setattr(
            images, "_read", lambda *_, c=channel: tuple((x[..., c : c + 1], y) for x, y in splits)
        )
        grey = data.load("digits", image_size=(16, 12))
        np.testing.assert_array_equal(colour.x_train[..., channel], grey.x_train[..., 0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"train": 1438}, "digits: train=1438, expected 1 to 1437 examples"),
        ({"test": 0}, "digits: test=0, expected 1 to 360 examples"),
        ({"image_size": 0}, "image_size=0: expected a positive side"),
        ({"image_size": (8,)}, "expected a positive side or"),
        ({"channels": 2}, "digits has 1 channels: channels=2 cannot be had"),
    ],
)
def test_what_cannot_be_had_is_refused(options, said):
    with pytest.raises(data.DataError, match=said):
        data.load("digits", **options)


def test_a_streamed_source_is_not_loaded():
    with pytest.raises(data.DataError, match="imagenet2012 does not fit in memory"):
        data.load("imagenet2012")
