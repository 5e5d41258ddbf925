"""The checks find what the formulas say, and would notice other layers."""

import keras
import numpy as np
import pytest

from kerasref.checks import mobilenet, relu_manifold


@pytest.mark.parametrize(("channels", "filters", "kernel"), [(64, 128, 3), (8, 16, 5)])
def test_cost_of_a_separable_convolution_is_the_formula(channels, filters, kernel):
    found = mobilenet.separable_cost(channels, filters, kernel, side=10)
    assert found["plain_params"] == kernel**2 * channels * filters
    assert found["depthwise_params"] == kernel**2 * channels
    assert found["pointwise_params"] == channels * filters
    assert found["separable_macs"] == 100 * (kernel**2 * channels + channels * filters)
    assert found["param_ratio"] == pytest.approx(found["formula"], rel=1e-12)
    assert found["mac_ratio"] == pytest.approx(found["formula"], rel=1e-12)
    assert found["depthwise_ratio"] == pytest.approx(1 / filters, rel=1e-12)


def test_separable_convolution_is_a_plain_one_with_a_product_kernel():
    found = mobilenet.separable_identity()
    assert found["depthwise_error"] < 1e-5
    assert found["composed_error"] < 1e-5
    assert found["depthwise_channels"] == 6
    assert found["depthwise_mixed"] == 1 / 6
    assert found["pointwise_mixed"] == 1


def test_another_depthwise_layer_is_noticed(monkeypatch):
    call = keras.layers.DepthwiseConv2D.call
    shifted = lambda self, x: np.roll(call(self, x), 1, axis=1)  # noqa: E731
    monkeypatch.setattr(keras.layers.DepthwiseConv2D, "call", shifted)
    found = mobilenet.separable_identity()
    assert found["depthwise_error"] > 0.1
    assert found["composed_error"] > 0.1


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ({}, [(28, 20, 48), (28, 20, 48), (28, 20, 12)]),
        ({"strides": 2}, [(28, 20, 48), (14, 10, 48), (14, 10, 12)]),
        ({"expansion": 0.25, "filters": 8}, [(28, 20, 2), (28, 20, 2), (28, 20, 8)]),
    ],
)
def test_block_has_the_shapes_of_the_table(arguments, rows):
    found = mobilenet.block_table(**arguments)
    for row, shape in zip(("expand", "depthwise", "project"), rows, strict=True):
        assert tuple(found[f"{row}_{axis}"] for axis in ("height", "width", "channels")) == shape
    assert found["expand_least"] == found["depthwise_least"] == 0
    assert found["expand_most"] == 6
    assert found["project_least"] < 0


def test_layers_that_the_books_mobilenet_replaces():
    """Figure 2.8; 196 positions for convolutions 2 and 3, 49 for convolution 4."""
    found = mobilenet.replaced_layers()
    assert (found["plain"], found["mobilenet"]) == (259_082, 48_330)
    assert (found["plain_replaced"], found["mobilenet_replaced"]) == (239_936, 29_184)
    assert found["plain_macs"] == 9 * (196 * 32 * 64 + 196 * 64 * 128 + 49 * 128 * 128)
    assert found["mobilenet_macs"] == 3_035_648
    assert found["ratio"] == 29_184 / 239_936


def test_resnet_is_thin_in_the_middle_and_mobilenet_thick():
    assert mobilenet.spindle_or_hourglass() == {
        "resnet_middle": 0.25,
        "resnet_spread": 0,
        "mobilenet_middle": 6,
        "mobilenet_spread": 0,
    }


def test_relu6_is_the_formula():
    assert mobilenet.relu6() == {"error": 0, "largest": 6}


@pytest.mark.parametrize("channels", [2, 3, 5, 15])
def test_points_are_lost_with_the_probability_of_fewer_than_two_heads(channels):
    found = relu_manifold.reconstruction(channels, seed=0, matrices=4000)
    assert found["lost"] == pytest.approx((channels + 1) / 2**channels, abs=0.015)
    assert found["silent"] == pytest.approx(1 / 2**channels, abs=0.015)
    assert found["linear_error"] < 1e-12
    assert 0 < found["error"] < 1


def test_a_single_matrix_is_inverted_as_by_hand(monkeypatch):
    """T = [[1, 0], [0, 1]]: the ReLU keeps the positive coordinates of each point."""

    class Identity:
        def normal(self, size):
            return np.broadcast_to(np.eye(2), size).copy()

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Identity())
    found = relu_manifold.reconstruction(2, seed=0, matrices=1)
    radius = np.linspace(0.05, 1, 200)
    x = radius * np.stack([np.cos(4 * np.pi * radius), np.sin(4 * np.pi * radius)])
    kept = np.maximum(x, 0)  # (x, y) -> its positive part, whose best factor is 1
    assert found["error"] == pytest.approx(np.linalg.norm(kept - x) / np.linalg.norm(x))
    assert found["lost"] == pytest.approx((x > 0).all(axis=0).mean() * -1 + 1)
    assert found["silent"] == pytest.approx((x <= 0).all(axis=0).mean())
