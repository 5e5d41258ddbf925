"""GroupedConv2D against keras.layers.Conv2D(groups=g)."""

import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.layers import GroupedConv2D
from kerasref.layers.grouped_conv2d import _kernel_has_gradient

CASES = [
    # filters, channels, arguments
    (8, 8, {"kernel_size": 3, "groups": 2}),
    (8, 8, {"kernel_size": 3, "groups": 2, "strides": 2, "padding": "same"}),
    (12, 8, {"kernel_size": 1, "groups": 4}),
    (4, 8, {"kernel_size": 2, "groups": 4, "strides": 2}),
    (6, 9, {"kernel_size": 5, "groups": 3, "padding": "same", "activation": "tanh"}),
    (8, 4, {"kernel_size": (3, 1), "groups": 2, "strides": (1, 2), "padding": "same"}),
    (8, 4, {"kernel_size": 7, "groups": 2, "strides": 2, "padding": "same"}),
    (8, 8, {"kernel_size": 3, "groups": 8, "padding": "same"}),
    (8, 4, {"kernel_size": 3, "groups": 2, "dilation_rate": 2, "use_bias": False}),
    (8, 4, {"kernel_size": 3, "groups": 1, "strides": 2}),
    (16, 32, {"kernel_size": 3, "groups": 8, "padding": "same"}),  # four groups at once
    (6, 40, {"kernel_size": 3, "groups": 2}),  # one at a time
]


def pair(filters, channels, arguments, side=9):
    """Our layer and Keras's with equal weights, and an input."""
    layers = [kind(filters, **arguments) for kind in (GroupedConv2D, keras.layers.Conv2D)]
    for layer in layers:
        layer.build((None, side, side + 1, channels))
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=weight.shape, scale=0.3) for weight in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
    return *layers, tf.constant(rng.normal(size=(2, side, side + 1, channels)), "float32")


def values(layer, x):
    """Output, gradient by the input and gradients by the weights of a sum of squares."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y * y)
    return [y, *tape.gradient(loss, [x, *(weight.value for weight in layer.weights)])]


@pytest.mark.parametrize(("filters", "channels", "arguments"), CASES)
def test_forward_and_gradients_equal_keras(filters, channels, arguments):
    ours, reference, x = pair(filters, channels, arguments)
    for a, b in zip(values(ours, x), values(reference, x), strict=True):
        scale = max(1, np.abs(b).max())
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=1e-5)


def test_forward_and_gradients_equal_keras_without_onednn():
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        pytest.skip("this is the run without oneDNN")
    options = [
        "-o",
        "addopts=--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "-k",
        "equal_keras",
    ]
    command = [sys.executable, "-m", "pytest", *options, __file__]
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert f"{len(CASES)} passed" in run.stdout


@pytest.mark.parametrize("onednn", ["0", "1"])
def test_first_call_inside_a_graph(onednn):
    code = """
import numpy as np, tensorflow as tf
from kerasref.layers import GroupedConv2D
layer = GroupedConv2D(4, 3, groups=2)
layer.build((None, 5, 5, 4))
@tf.function
def step(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    return tape.gradient(loss, layer.kernel.value)
assert np.isfinite(step(tf.ones((1, 5, 5, 4)))).all()
with tf.Graph().as_default():
    assert layer.convolution_op(tf.ones((1, 5, 5, 4)), tf.ones((3, 3, 2, 4))).shape == (1, 3, 3, 4)
print("done")
"""
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "done", run.stderr


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_types_without_a_grouped_gradient_on_cpus(dtype):
    layer = GroupedConv2D(4, 3, groups=2, padding="same", dtype=dtype)
    x = tf.constant(np.random.default_rng(0).normal(size=(1, 4, 4, 4)), dtype)
    layer.build(x.shape)
    for value in values(layer, x):
        assert value.dtype.name == dtype
        assert np.isfinite(value).all()


def test_mixed_precision_computes_in_half_and_keeps_float32_weights():
    layer = GroupedConv2D(4, 3, groups=2, dtype="mixed_bfloat16")
    assert layer(tf.ones((1, 4, 4, 4))).dtype.name == "bfloat16"
    assert {weight.dtype for weight in layer.weights} == {"float32"}


def test_channels_first_equals_channels_last():
    arguments = {"kernel_size": 3, "groups": 2, "strides": 2, "padding": "same"}
    last, _, x = pair(8, 4, arguments)
    first = GroupedConv2D(8, **arguments, data_format="channels_first")
    first.build((None, 4, 9, 10))
    first.set_weights(last.get_weights())
    y = first(tf.transpose(x, (0, 3, 1, 2)))
    np.testing.assert_allclose(tf.transpose(y, (0, 2, 3, 1)), last(x), rtol=1e-5, atol=1e-6)


def test_same_seed_gives_keras_initial_weights():
    kernels = []
    for kind in (GroupedConv2D, keras.layers.Conv2D):
        keras.utils.set_random_seed(0)
        layer = kind(8, 3, groups=4)
        layer.build((None, 8, 8, 8))
        kernels.append(layer.kernel.numpy())
    np.testing.assert_array_equal(*kernels)


def test_file_round_trip(tmp_path):
    image = keras.Input((None, None, 4))
    regularised = GroupedConv2D(
        6, 3, groups=2, strides=2, kernel_regularizer="l2", activation="relu"
    )
    model = keras.Model(image, regularised(image))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 7, 9, 4))
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.losses


def test_channels_must_divide_by_groups():
    with pytest.raises(ValueError, match="groups=4"):
        GroupedConv2D(6, 3, groups=4)
    with pytest.raises(ValueError, match="groups=2"):
        GroupedConv2D(6, 3, groups=2).build((None, 8, 8, 3))


@pytest.mark.timing
def test_a_training_step_on_a_cpu_is_many_times_faster_than_kerass(race):
    def timed(layer, repeats):
        step = tf.function(lambda: values(layer, x))
        step()

        def seconds():
            times = []
            for _ in range(repeats):
                began = time.perf_counter()
                step()
                times.append(time.perf_counter() - began)
            return min(times)

        return seconds

    with tf.device("CPU"):
        x = tf.random.normal((8, 28, 28, 64))
        ours, reference = (
            kind(64, 3, padding="same", groups=8) for kind in (GroupedConv2D, keras.layers.Conv2D)
        )
        for layer in (ours, reference):
            layer.build(x.shape)
        # Separate convolutions, where oneDNN is off, are about half as fast as TensorFlow's kernel.
        least = 40 if _kernel_has_gradient("float32") else 20
        race(
            lambda ours, kerass: kerass / ours >= least,
            ours=timed(ours, 20),
            kerass=timed(reference, 2),
        )
