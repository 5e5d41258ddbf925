"""Histograms of oriented gradients."""

import numpy as np
import pytest

from kerasref.analysis.hog import hog


def ramp(angle, size=16):
    """An image that rises in one direction: every gradient points there."""
    y, x = np.mgrid[:size, :size]
    return (np.cos(angle) * x + np.sin(angle) * y)[None]


@pytest.mark.parametrize("bin", [0, 3, 8])
def test_a_ramp_votes_for_its_orientation(bin):
    angle = (bin + 0.5) * np.pi / 9
    histograms = hog(ramp(angle)).reshape(-1, 9)[4:-4]
    assert (histograms.argmax(axis=1) == bin).all()


def test_opposite_directions_are_one_orientation():
    np.testing.assert_allclose(hog(ramp(0.3)), hog(-ramp(0.3)), atol=1e-6)


def test_contrast_and_brightness_do_not_matter():
    image = np.random.default_rng(0).integers(0, 100, (1, 28, 28))
    np.testing.assert_allclose(hog(2 * image + 50), hog(image), atol=1e-5)


def test_shape_and_norm():
    features = hog(np.random.default_rng(0).random((3, 28, 30)))
    assert features.shape == (3, 6 * 6 * 4 * 9)
    blocks = np.linalg.norm(features.reshape(3 * 36, 36), axis=1)
    np.testing.assert_allclose(blocks, 1, atol=1e-5)


def test_a_flat_image_has_no_features():
    assert not hog(np.full((1, 8, 8), 7)).any()


def test_too_small_an_image():
    with pytest.raises(ValueError, match="fewer than 2x2 cells"):
        hog(np.zeros((1, 7, 28)))
