"""Batch normalisation written out, against Keras's layer and against numpy."""

import keras
import numpy as np
import pytest

from kerasref.layers import BatchNormFromScratch


def batch(*shape, seed=0):
    return np.random.default_rng(seed).normal(3.0, 2.0, shape).astype("float32")


def statistics(x):
    return x.mean(axis=tuple(range(x.ndim - 1))), x.var(axis=tuple(range(x.ndim - 1)))


@pytest.mark.parametrize("shape", [(8, 5), (4, 3, 6, 5)])
def test_equals_keras_in_training_and_prediction(shape):
    ours = BatchNormFromScratch(momentum=0.7, epsilon=1e-2)
    keras_own = keras.layers.BatchNormalization(momentum=0.7, epsilon=1e-2)
    for seed in range(3):
        x = batch(*shape, seed=seed)
        np.testing.assert_allclose(
            ours(x, training=True), keras_own(x, training=True), rtol=1e-4, atol=1e-5
        )
    for one, other in zip(ours.weights, keras_own.weights, strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one, other, rtol=1e-5)
    x = batch(*shape, seed=9)
    np.testing.assert_allclose(ours(x), keras_own(x), rtol=1e-4, atol=1e-5)


def test_scale_and_shift_are_applied():
    layer = BatchNormFromScratch()
    x = batch(16, 2)
    layer.build(x.shape)
    layer.gamma.assign([2.0, 3.0])
    layer.beta.assign([-1.0, 5.0])
    y = np.asarray(layer(x, training=True))
    np.testing.assert_allclose(y.mean(0), [-1, 5], atol=1e-5)
    np.testing.assert_allclose(y.std(0), [2, 3], rtol=1e-4)


def test_parts_can_be_left_out():
    x = batch(16, 3)
    mean, variance = statistics(x)
    mean_only = BatchNormFromScratch(divide=False)(x, training=True)
    np.testing.assert_allclose(mean_only, x - mean, rtol=1e-5, atol=1e-5)
    variance_only = BatchNormFromScratch(center=False)(x, training=True)
    np.testing.assert_allclose(variance_only, x / np.sqrt(variance + 1e-5), rtol=1e-5)
    neither = BatchNormFromScratch(center=False, divide=False)(x, training=True)
    np.testing.assert_array_equal(neither, x)
    fixed = BatchNormFromScratch(affine=False)
    fixed.build(x.shape)
    assert not fixed.trainable_weights


def test_a_virtual_batch_is_normalised_by_its_own_statistics():
    x = batch(6, 4, 4, 2)
    layer = BatchNormFromScratch(virtual_batch=3, momentum=0.0)
    y = np.asarray(layer(x, training=True))
    whole = BatchNormFromScratch()
    np.testing.assert_allclose(y[:3], whole(x[:3], training=True), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(y[3:], whole(x[3:], training=True), rtol=1e-4, atol=1e-5)
    means, variances = zip(statistics(x[:3]), statistics(x[3:]), strict=True)
    np.testing.assert_allclose(layer.moving_mean, np.mean(means, axis=0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, np.mean(variances, axis=0), rtol=1e-5)


def test_frozen_layer_predicts_in_training_too():
    layer = BatchNormFromScratch(trainable=False)
    x = batch(4, 2)
    np.testing.assert_array_equal(layer(x, training=True), layer(x))
    np.testing.assert_array_equal(layer.moving_mean, [0, 0])


def test_half_precision_keeps_statistics_in_float32():
    layer = BatchNormFromScratch(dtype="mixed_bfloat16")
    x = batch(256, 2) + 1000
    y = layer(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert layer.moving_mean.dtype == "float32"


def test_comes_back_from_its_configuration():
    layer = BatchNormFromScratch(0.5, 1e-3, False, False, False, 4, name="bn")
    same = BatchNormFromScratch.from_config(layer.get_config())
    assert same.get_config() == layer.get_config()
    assert (same.momentum, same.epsilon, same.virtual_batch) == (0.5, 1e-3, 4)
    assert [same.center, same.divide, same.affine] == [False] * 3


@pytest.mark.parametrize(
    ("argument", "value"), [("momentum", 1.5), ("epsilon", 0), ("virtual_batch", 0)]
)
def test_impossible_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}` must be"):
        BatchNormFromScratch(**{argument: value})
