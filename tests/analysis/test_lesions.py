"""Lesions against networks that were built without the part."""

import keras
import numpy as np
import pytest

from kerasref.analysis import gates, lesions
from kerasref.models import ResNetCIFAR


def network(depth=14, seed=0, **arguments):
    """With moving statistics, scales and offsets as after training."""
    keras.utils.set_random_seed(seed)
    model = ResNetCIFAR(depth=depth, width=4, input_shape=(12, 12, 1), **arguments)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(rng.normal(scale=0.1, size=layer.beta.shape))
            layer.moving_mean.assign(rng.normal(scale=0.1, size=layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, layer.moving_variance.shape))
    return model


def images():
    return np.random.default_rng(1).uniform(size=(5, 12, 12, 1)).astype("float32")


def shallower(model, depth, **arguments):
    """A network of fewer units with the weights of the units that it has."""
    small = ResNetCIFAR(depth=depth, width=4, input_shape=(12, 12, 1), **arguments)
    for layer in small.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return small


SECOND_UNITS = [f"conv{stage}_block2" for stage in (2, 3, 4)]


@pytest.mark.parametrize("order", ["original", "relu_before_addition", "preactivation"])
def test_without_units_the_network_is_the_shallower_one(order):
    model = network(order=order)
    before = np.asarray(model(images()))
    expected = np.asarray(shallower(model, 8, order=order)(images()))
    with lesions.without(model, SECOND_UNITS):
        np.testing.assert_allclose(model(images()), expected, rtol=1e-5, atol=1e-6)
    assert np.abs(before - expected).max() > 1e-3
    np.testing.assert_array_equal(model(images()), before)


def test_without_its_layers_the_plain_network_is_the_shallower_one():
    model = network(shortcut=None)
    expected = np.asarray(shallower(model, 8, shortcut=None)(images()))
    with lesions.without(model, [f"{name}_{n}" for name in SECOND_UNITS for n in (1, 2)]):
        np.testing.assert_allclose(model(images()), expected, rtol=1e-4, atol=1e-6)


def test_parts_of_a_plain_network_keep_the_shape():
    assert list(lesions.parts(network())) == [
        f"conv{stage}_block{block}" for stage in (2, 3, 4) for block in (1, 2)
    ]
    plain = list(lesions.parts(network(shortcut=None)))
    assert "conv2_block1_1" in plain
    assert "conv3_block1_1" not in plain
    assert len(plain) == 10


def test_swapped_units_compute_in_the_other_order():
    model = network(order="preactivation", depth=20)
    pair = "conv3_block2", "conv3_block3"
    other = network(order="preactivation", depth=20, seed=1)
    other.set_weights(model.get_weights())
    for layer in other.layers:
        for one, two in (pair, pair[::-1]):
            if layer.name.startswith(one) and layer.weights:
                layer.set_weights(model.get_layer(layer.name.replace(one, two)).get_weights())
    before, expected = np.asarray(model(images())), np.asarray(other(images()))
    with lesions.swapped(model, *pair):
        np.testing.assert_array_equal(model(images()), expected)
    assert np.abs(before - expected).max() > 1e-4
    np.testing.assert_array_equal(model(images()), before)


def test_only_parts_of_equal_shape_are_exchanged():
    model = network(depth=14)
    assert lesions.exchangeable(model) == [
        ("conv2_block1", "conv2_block2"),
    ]
    with (
        pytest.raises(ValueError, match="different shapes"),
        lesions.swapped(model, "conv2_block1", "conv3_block1"),
    ):
        pass


def test_weights_come_back_after_an_error():
    model = network(depth=8)
    before = model.get_weights()
    with pytest.raises(KeyError), lesions.without(model, ["conv2_block1"]):
        raise KeyError
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="no part 'conv9_block1'; known: conv2_block1"):
        lesions.without(model, ["conv9_block1"]).__enter__()


def test_gates_are_counted_where_they_stand():
    model = network(depth=8, shortcut="exclusive_gating", gate_bias=-6.0)
    for layer in model.layers:
        if layer.name.endswith("_gate") and layer.weights:
            layer.kernel.assign(np.zeros(layer.kernel.shape))
    found = gates.gate_statistics(model, images(), batch_size=2)
    assert found.mean == pytest.approx(1 / (1 + np.exp(6)), rel=1e-4)
    assert (found.shut, found.open, found.saturated) == (1, 0, 1)
    model.get_layer("conv2_block1_gate").bias.assign(np.full(4, 6.0))
    found = gates.gate_statistics(model, images())
    values = 12 * 12 * 4, 6 * 6 * 8, 3 * 3 * 16
    assert found.open == pytest.approx(values[0] / sum(values))
    assert found.saturated == pytest.approx(1)
    with pytest.raises(ValueError, match="has no gates"):
        gates.gate_statistics(network(depth=8), images())
