"""Probes on networks whose answers are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasref.analysis import probes


def test_zeros_and_dead_units_of_a_relu_layer():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(3, activation="relu", name="hidden"), layers.Dense(2)]
    )
    model.layers[0].set_weights([np.eye(3), np.zeros(3)])
    # unit 0 always active, unit 1 active on one example of four, unit 2 never
    x = np.array([[1, 1, -1], [1, -1, -1], [2, -1, 0], [3, -2, -1]], "float32")
    for batch_size in (1, 3, 4):
        statistics = probes.activation_statistics(model, x, batch_size)
        assert set(statistics) == {"hidden"}
        assert statistics["hidden"].zeros == pytest.approx(7 / 12)
        assert statistics["hidden"].dead == pytest.approx(1 / 3)


def test_tanh_has_no_zeros_and_the_output_layer_is_left_out():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(2, 3, name="linear"),
            layers.Activation("tanh", name="tanh"),
            layers.ReLU(name="relu"),
            layers.Flatten(),
            layers.Dense(2, activation="softmax", name="output"),
        ]
    )
    statistics = probes.activation_statistics(
        model, np.random.default_rng(0).normal(size=(8, 4, 4, 1))
    )
    assert list(statistics) == ["tanh", "relu"]
    assert statistics["tanh"].zeros == 0
    assert 0 < statistics["relu"].zeros < 1


def test_gradient_norms_by_layer():
    x = keras.Input((2,))
    model = keras.Model(
        x, layers.Dense(1, name="out")(layers.Dense(2, use_bias=False, name="first")(x))
    )
    model.set_weights([np.eye(2), np.array([[3.0], [4.0]]), np.zeros(1)])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(np.array([[1.0, 2.0]], "float32")))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    norms = probes.gradient_norms(model, gradients)
    # d/dW1 = x' w2' = [[3, 4], [6, 8]]; d/dw2 = [1, 2], d/db = 1
    assert norms == pytest.approx({"first": 125**0.5, "out": 6**0.5})
    with pytest.raises(ValueError, match="2 gradients for 3"):
        probes.gradient_norms(model, gradients[:2])


def shifting_model():
    return keras.Sequential(
        [
            keras.Input((4, 6, 1)),
            layers.MaxPooling2D(2, name="pool"),
            layers.GlobalAveragePooling2D(name="mean"),
        ]
    )


def test_global_average_does_not_notice_a_shift_and_pooling_notices_half():
    x = np.zeros((2, 4, 6, 1), "float32")
    x[:, 1, 2] = 1
    one = probes.shift_change(shifting_model(), x, ["pool", "mean"], 1)
    assert one == {"pool": 0, "mean": 0}
    two = probes.shift_change(shifting_model(), x, ["pool", "mean"], 2)
    assert two == pytest.approx({"pool": 2**0.5, "mean": 0})


def test_shift_change_does_not_depend_on_the_batch_size_and_skips_silent_examples():
    x = np.random.default_rng(0).normal(size=(5, 4, 6, 1)).astype("float32")
    x[3] = 0
    whole, parts = (probes.shift_change(shifting_model(), x, ["pool"], 1, size) for size in (5, 2))
    assert whole == pytest.approx(parts)
    assert np.isfinite(whole["pool"])
    assert probes.shift_change(shifting_model(), x, ["pool"], 0) == {"pool": 0}


def test_wrong_arguments_are_named():
    x = np.zeros((1, 4, 6, 1), "float32")
    with pytest.raises(ValueError, match="did you mean 'pool'"):
        probes.shift_change(shifting_model(), x, ["pol"], 1)
    with pytest.raises(ValueError, match="`pixels` must be between 0 and 5, not 6"):
        probes.shift_change(shifting_model(), x, ["pool"], 6)


def test_redundancy_of_channels_is_that_of_the_whole_batch():
    image = keras.Input((5, 4, 3))
    mixed = layers.Conv2D(6, 1, use_bias=False, name="mixed")(image)
    model = keras.Model(image, layers.Flatten()(layers.Identity(name="same")(mixed)))
    model.get_layer("mixed").set_weights([np.eye(3, 6).reshape(1, 1, 3, 6)])
    x = np.random.default_rng(0).normal(size=(300, 5, 4, 3)).astype("float32")
    found = probes.channel_redundancy(model, x, ["mixed", "same"], batch_size=128)
    assert list(found) == ["mixed", "same"]
    # three channels as good as independent, three constant ones
    assert found["mixed"].effective_rank == pytest.approx(3, abs=0.01)
    assert found["mixed"].redundancy == pytest.approx(0.5, abs=0.01)
