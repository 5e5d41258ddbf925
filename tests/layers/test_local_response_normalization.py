"""LocalResponseNormalization against the paper's sum written out, and against TensorFlow's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.layers import LocalResponseNormalization


def written_out(a, k, n, alpha, beta):
    """Krizhevsky et al. 2012, section 3.3, one channel at a time."""
    b, channels = np.empty_like(a), a.shape[-1]
    for i in range(channels):
        low, high = max(0, i - n // 2), min(channels - 1, i + n // 2)
        total = sum(a[..., j] ** 2 for j in range(low, high + 1))
        b[..., i] = a[..., i] / (k + alpha * total) ** beta
    return b


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_equals_the_papers_formula(n, channels):
    a = np.random.default_rng(0).normal(size=(2, 3, 4, channels))
    ours = LocalResponseNormalization(k=1.5, n=n, alpha=0.7, beta=0.6, dtype="float64")(a)
    np.testing.assert_allclose(ours, written_out(a, 1.5, n, 0.7, 0.6), rtol=1e-12)


def test_defaults_are_the_papers():
    a = np.random.default_rng(0).normal(size=(1, 2, 2, 16)) * 100
    ours = LocalResponseNormalization(dtype="float64")(a)
    np.testing.assert_allclose(ours, written_out(a, 2, 5, 1e-4, 0.75), rtol=1e-12)


@pytest.mark.parametrize("alpha", [1e-4, 0.5])
def test_forward_and_gradient_equal_tensorflows(alpha):
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 5, 5, 24)) * 3, "float32")
    weight = tf.random.stateless_normal(x.shape, (0, 1))
    layer = LocalResponseNormalization(alpha=alpha)
    results = []
    for function in (layer, lambda x: tf.nn.lrn(x, 2, bias=2.0, alpha=alpha, beta=0.75)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
            loss = tf.reduce_sum(y * weight)
        results.append((y, tape.gradient(loss, x)))
    for ours, reference in zip(*results, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-5, atol=1e-5)


def test_half_precision_does_not_overflow():
    x = np.full((1, 1, 1, 8), 1000, "float16")
    y = LocalResponseNormalization(dtype="float16")(x)
    expected = written_out(x.astype("float64"), 2, 5, 1e-4, 0.75)
    assert y.dtype == "float16"
    np.testing.assert_allclose(y, expected, rtol=1e-3)


def test_sign_and_zero_are_kept():
    a = np.array([[-1.0, 0.0, 1.0]])
    np.testing.assert_array_equal(np.sign(LocalResponseNormalization()(a)), np.sign(a))


@pytest.mark.parametrize(
    ("argument", "value"), [("k", 0), ("n", 0), ("n", 2.5), ("alpha", -1), ("k", float("nan"))]
)
def test_wrong_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}` must be"):
        LocalResponseNormalization(**{argument: value})


def test_file_round_trip(tmp_path):
    image = keras.Input((None, None, 6))
    layer = LocalResponseNormalization(k=1, n=3, alpha=0.1, beta=0.5)
    keras.Model(image, layer(image)).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 6))
    np.testing.assert_array_equal(loaded(x), layer(x))
