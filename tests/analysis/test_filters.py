import keras
import numpy as np
import pytest

from kerasref.analysis import filters


def test_neighbour_correlation_of_known_filters():
    chessboard = np.indices((4, 4)).sum(axis=0) % 2 * 2.0 - 1
    kernel = np.stack([np.ones((4, 4)), chessboard], axis=-1)[:, :, None]
    assert filters.neighbour_correlation(kernel[..., :1]) == pytest.approx(1)
    assert filters.neighbour_correlation(kernel[..., 1:]) == pytest.approx(-1)
    assert filters.neighbour_correlation(kernel) == pytest.approx(0)


def test_neighbour_correlation_of_noise_is_near_zero():
    noise = np.random.default_rng(0).normal(size=(5, 5, 1, 5000))
    assert abs(filters.neighbour_correlation(noise)) < 0.01


def test_a_1x1_window_has_no_neighbours():
    with pytest.raises(ValueError, match="1x1 has no neighbours"):
        filters.neighbour_correlation(np.ones((1, 1, 3, 3)))


def test_class_share_tells_class_channels_from_others():
    """Channel 0 is the class, channel 1 is independent of it, channel 2 never varies."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    x = np.zeros((400, 1, 1, 3), "float32")
    x[:, 0, 0, 0] = labels
    x[:, 0, 0, 1] = rng.permutation(np.repeat([0.0, 1.0], 200))
    image = keras.Input((1, 1, 3))
    maps = keras.layers.Identity(name="maps")(image)
    first = keras.layers.Conv2D(3, 1, name="first")(maps)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(first)))
    only_class = np.zeros((1, 1, 3, 3))
    only_class[0, 0, 0] = 1
    model.get_layer("first").set_weights([only_class, np.zeros(3)])
    model.layers[-1].set_weights([np.array([[-1, 1], [0, 0], [0, 0]]), np.array([0.5, -0.5])])
    shares = filters.class_share(model, x, ["maps", "first"])
    correlation = np.corrcoef(labels, x[:, 0, 0, 1])[0, 1]
    assert shares["maps"] == pytest.approx((1 + correlation**2) / 2, abs=1e-6)
    assert shares["first"] == pytest.approx(1)
