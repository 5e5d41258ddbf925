"""The checks find what the paper says, and would notice another layer."""

import pytest

from kerasref.checks import squeeze_excitation
from kerasref.layers import SqueezeExcitation


def test_layer_follows_the_formulas():
    found = squeeze_excitation.formulas()
    assert found["error"] < 1e-12
    assert found["spread"] < 1e-12
    assert (found["factors"], found["hidden_units"]) == (64, 4)


def test_another_layer_is_noticed(monkeypatch):
    monkeypatch.setattr(SqueezeExcitation, "gates", lambda self, x: 1 + x[:, 0, 0])
    assert squeeze_excitation.formulas()["error"] > 0.1


def test_gates_are_no_softmax():
    found = squeeze_excitation.gates()
    assert 0 < found["smallest"] < found["largest"] < 1
    assert found["sum_error"] > 1
    assert found["softmax_sum_error"] < 1e-9
    assert found["emphasised"] > 2 > 1 >= found["softmax_emphasised"]
    assert found["input_change"] > 0.01


def test_goes_anywhere():
    assert squeeze_excitation.anywhere() == {
        "places": 7,
        "shapes_kept": 1,
        "maps_only": pytest.approx(0, abs=1e-6),
    }


def test_cost_of_se_resnet50():
    """2/r times the sum of N C^2 over the stages, and H x W x C products per block."""
    found = squeeze_excitation.cost()
    stages = [(3, 256, 56), (4, 512, 28), (6, 1024, 14), (3, 2048, 7)]
    weights = [n * 2 * c * c // 16 for n, c, _ in stages]
    assert found["added_params"] == sum(weights) == 2_514_944
    assert found["early_params"] == sum(weights[:-1]) == 942_080
    assert found["excitation_macs"] == sum(weights)
    assert found["scale_products"] == sum(n * c * side**2 for n, c, side in stages)
    assert found["products"] == 3_857_973_248 + sum(weights) + 5_519_360
    assert found["first_compression"] == 56 * 56
    assert found["last_compression"] == 49
    assert found["last_hidden_units"] == 128
