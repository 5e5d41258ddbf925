"""Whitening over the batch, against numpy."""

import keras
import numpy as np
import pytest

from kerasref.layers import BatchNormFromScratch, BatchWhitening


def correlated(examples, *rest, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(rest[-1], rest[-1]))
    return (rng.normal(size=(examples, *rest)) @ mixing + 2).astype("float32")


def covariance(x):
    return np.cov(np.reshape(x, (-1, np.shape(x)[-1])), rowvar=False, bias=True)


def test_output_is_white_in_training():
    x = correlated(64, 4, 4, 6)
    y = np.asarray(BatchWhitening(epsilon=1e-6)(x, training=True))
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(covariance(y), np.eye(6), atol=2e-3)
    assert np.abs(covariance(x) - np.diag(np.diag(covariance(x)))).max() > 0.5


def test_groups_are_the_largest_that_divide_the_features():
    x = correlated(200, 10)
    layer = BatchWhitening(group_size=4, epsilon=1e-6)
    y = layer(x, training=True)
    assert layer.moving_covariance.shape == (5, 2, 2)
    blocks = covariance(y)
    for first in range(0, 10, 2):
        group = slice(first, first + 2)
        np.testing.assert_allclose(blocks[group, group], np.eye(2), atol=2e-3)


def test_groups_of_one_are_batch_normalisation():
    x = correlated(32, 5)
    white = BatchWhitening(group_size=1, epsilon=1e-3)
    normal = BatchNormFromScratch(epsilon=1e-3)
    np.testing.assert_allclose(
        white(x, training=True), normal(x, training=True), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(white(x), normal(x), rtol=1e-4, atol=1e-5)


def test_prediction_uses_the_averages():
    x = correlated(64, 6)
    layer = BatchWhitening(momentum=0.0)
    trained = np.asarray(layer(x, training=True))
    np.testing.assert_allclose(layer(x), trained, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer(x[:1]), trained[:1], rtol=1e-4, atol=1e-4)


def test_macs_are_those_of_the_whitening_matrices():
    layer = BatchWhitening(group_size=3)
    layer.build((None, 5, 5, 6))
    assert layer.count_macs((None, 5, 5, 6), (None, 5, 5, 6)) == 5 * 5 * 2 * 3 * 3


def test_is_saved_in_a_file(tmp_path):
    model = keras.Sequential([keras.Input((6,)), BatchWhitening(group_size=3)])
    x = correlated(16, 6)
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


def test_group_size_must_be_positive():
    with pytest.raises(ValueError, match="`group_size` must be a positive integer"):
        BatchWhitening(group_size=0)
