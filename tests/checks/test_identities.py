"""The identities hold where they should, and the checks can tell where they do not."""

import pytest

from kerasref.checks import convolution, dropout, gradient_flow, lenet


def test_dropout_averages_to_the_whole_linear_layer_but_not_through_relu():
    found = dropout.subnetworks(rate=0.3, inputs=8)
    assert found["subnetworks"] == 256
    assert found["linear_error"] < 1e-5
    assert found["relu_error"] > 1e-2
    assert found["test_time_change"] == 0


def test_convolution_finds_what_looks_like_its_kernel():
    found = convolution.matched_filter(trials=20, size=3)
    assert found == {"found": 1.0, "response_error": pytest.approx(0, abs=1e-9)}


def test_gradients_vanish_through_sigmoids_with_depth():
    shallow, deep = (gradient_flow.by_depth("sigmoid", depth, seed=0) for depth in (2, 16))
    assert deep["gradient_ratio"] < 1e-3 < shallow["gradient_ratio"]


def test_c3_wiring_is_that_of_1998():
    assert lenet.c3_wiring() == {
        "pairs": 60,
        "maps_with_3_neighbours": 6,
        "maps_with_4_neighbours": 6,
        "maps_with_4_apart": 3,
        "maps_with_6": 1,
        "params": 1516,
        "connections": 340_918,
    }
