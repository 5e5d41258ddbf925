"""Augmentation against TensorFlow's own resizing, numpy's slices, and itself."""

import numpy as np
import pytest
import tensorflow as tf

from kerasref.data.augment import CENTRE, DRAWS, Augmentation, draw
from kerasref.data.pipeline import ArrayPipeline

IMAGES = np.random.default_rng(0).uniform(size=(5, 12, 12, 2)).astype("float32")


def draws(*rows):
    """Draws of length, row, column and mirror; the centre where not given."""
    return np.array([[*row, *[CENTRE] * (DRAWS - len(row))] for row in rows], "float32")


def batches(pipeline, epoch=1, replicas=1, processes=1, process=0):
    context = tf.distribute.InputContext(processes, process, replicas)
    count = pipeline.steps * replicas // processes
    return [x.numpy() for x, _, _ in pipeline.dataset(epoch, context).take(count)]


def test_nothing_to_do_changes_nothing():
    np.testing.assert_array_equal(Augmentation()(IMAGES, draw(0, 1, (5,))), IMAGES)


@pytest.mark.parametrize("side", [8, 11, 12, 17, 24, 30])
def test_resizing_is_tensorflows(side):
    found = Augmentation(sides=(side, side), crop=side)(IMAGES, draw(0, 1, (5,)))
    expected = tf.image.resize(IMAGES, (side, side), antialias=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_resizing_keeps_the_shape_of_wide_images():
    wide = IMAGES[:, :6]
    found = Augmentation(sides=(9, 9), crop=9)(wide, draws(*[()] * 5))
    expected = tf.image.resize(wide, (9, 18), antialias=True)[:, :, 5:14]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("row", "first"), [(0.0, 0), (0.26, 1), (0.5, 2), (0.99999, 3)])
def test_crops_are_slices(row, first):
    found = Augmentation(crop=9)(IMAGES, draws(*[(0.0, row, 0.0)] * 5))
    np.testing.assert_allclose(found, IMAGES[:, first : first + 9, :9], atol=1e-6)


def test_padding_puts_zeros_around():
    found = Augmentation(pad=2)(IMAGES, draws(*[(0.0, 0.0, 0.9999)] * 5))
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    np.testing.assert_allclose(found, padded[:, :12, 4:], atol=1e-6)


def test_mirror_turns_left_and_right():
    found = Augmentation(flip=True)(
        IMAGES, draws(*[(CENTRE,) * 3 + (u,) for u in (0, 0.4, 0.6, 0.9, 1)])
    )
    np.testing.assert_array_equal(found[:2], IMAGES[:2])
    np.testing.assert_array_equal(found[2:], IMAGES[2:, :, ::-1])


def test_every_length_between_the_sides_is_drawn():
    ramp = np.tile(np.arange(12, dtype="float32")[None, :, None, None], (600, 1, 12, 1))
    found = Augmentation(sides=(12, 24), crop=8)(ramp, draw(3, 1, (600,))).numpy()
    # Inside the image, one pixel of the crop is 12 / length pixels of the original.
    lengths = np.unique(np.rint(12 / np.diff(found[:, 3:5, 0, 0], axis=1)))
    assert lengths.tolist() == list(range(12, 25))


def test_half_of_the_images_are_mirrored_and_every_place_is_cut():
    marked = np.arange(144, dtype="float32").reshape(1, 12, 12, 1).repeat(2000, axis=0)
    found = Augmentation(crop=10, flip=True)(marked, draw(5, 1, (2000,))).numpy()
    mirrored = found[:, 0, 0, 0] > found[:, 0, 1, 0]
    # 2,000 fair coins: outside with probability 1e-5, here by a fixed seed.
    assert 0.45 < mirrored.mean() < 0.55
    corners = np.unique(found[~mirrored, 0, 0, 0])
    assert corners.tolist() == [12 * row + column for row in range(3) for column in range(3)]


def test_draws_depend_on_seed_epoch_and_position_alone():
    numbers = draw(3, 2, (4, 8))
    np.testing.assert_array_equal(numbers[:2], draw(3, 2, (2, 8)))
    assert not np.array_equal(numbers, draw(3, 3, (4, 8)))
    assert not np.array_equal(numbers, draw(4, 2, (4, 8)))
    assert numbers.min() >= 0
    assert numbers.max() < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pad": -1}, "pad=-1"),
        ({"crop": 0}, "crop=0"),
        ({"sides": (8, 7)}, "sides=.8, 7."),
        ({"sides": (8, 9), "crop": 10}, "crop=10: larger than the smallest side, 8"),
    ],
)
def test_wrong_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**arguments)


def test_a_crop_larger_than_the_images_is_refused():
    with pytest.raises(ValueError, match="crop=13: the images have 12 pixels"):
        Augmentation(crop=13)(IMAGES, draws(*[()] * 5))


PIXELS = np.random.default_rng(1).integers(0, 256, (30, 12, 12, 1), "uint8")
LABELS = np.arange(30, dtype="int32")
JITTER = Augmentation(sides=(12, 20), crop=10, flip=True)


def pipeline(seed=0, shuffle=True, augment=JITTER, batch_size=8):
    return ArrayPipeline(
        PIXELS, LABELS, batch_size, seed=seed, shuffle=shuffle, scale="standard", augment=augment
    )


def test_pipeline_repeats_an_epoch_and_varies_epochs():
    first, again, other = (np.stack(batches(pipeline(), epoch)) for epoch in (2, 2, 3))
    assert first.shape == (3, 8, 10, 10, 1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, np.stack(batches(pipeline(seed=1), 2)))


@pytest.mark.parametrize("processes", [1, 2])
def test_replicas_see_the_images_of_one(processes):
    local = 2 // processes
    parts = [
        batches(pipeline(), replicas=2, processes=processes, process=process)
        for process in range(processes)
    ]
    for step, expected in enumerate(batches(pipeline())):
        slices = [part[step * local + replica] for part in parts for replica in range(local)]
        np.testing.assert_allclose(np.concatenate(slices), expected, atol=1e-6)


def test_evaluation_takes_the_centre_of_the_middle_length():
    test = pipeline(shuffle=False, augment=Augmentation(sides=(16, 16), crop=10))
    found = np.concatenate(batches(test))[:30]
    scaled = (PIXELS - PIXELS.mean()) / PIXELS.std()
    expected = tf.image.resize(scaled, (16, 16))[:, 3:13, 3:13]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(test.inputs(4), found[:4], atol=1e-6)
