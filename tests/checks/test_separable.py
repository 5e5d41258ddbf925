"""The checks of Xception's section: right, and able to fail."""

import numpy as np
import pytest
from keras import layers

from kerasref.checks import separable
from kerasref.models.xception import Separable


@pytest.mark.parametrize("sizes", [{}, {"channels": 3, "between": 9, "filters": 6}])
def test_simple_inception_is_its_equivalent(sizes):
    found = separable.equivalence(**sizes)
    assert found["split_error"] < 1e-5
    assert found["grouped_error"] < 1e-5
    assert found["shifted_difference"] > 0.1
    m, k1, k2 = (sizes or {"channels": 8, "between": 12, "filters": 18}).values()
    assert found["weights"] == m * k1 + 3 * k1 * k2


def test_another_grouping_is_noticed(monkeypatch):
    class Ungrouped(layers.Conv2D):
        def __init__(self, *arguments, groups, **more):
            super().__init__(*arguments, **more)

        def set_weights(self, weights):
            kernel, bias = weights
            super().set_weights([np.concatenate([kernel] * 3, axis=2), bias])

    monkeypatch.setattr(separable, "GroupedConv2D", Ungrouped)
    assert separable.equivalence()["grouped_error"] > 0.1


def test_extreme_inception_is_pointwise_first():
    found = separable.extreme(channels=4, filters=7)
    assert found["error"] < 1e-5
    assert found["branches"] == 7
    assert found["weights"] == 4 * 7 + 9 * 7


def test_extreme_inception_needs_its_relu(monkeypatch):
    without = lambda order, activation: Separable(order, "linear")  # noqa: E731
    monkeypatch.setattr(separable, "Separable", without)
    assert separable.extreme()["error"] > 0.1


def test_costs_by_hand():
    found = separable.costs(channels=5, between=6, filters=9)
    assert found["plain"] == 5 * 6 + 9 * 6 * 9
    assert found["simple"] == 5 * 6 + 3 * (9 * 2 * 3)
    assert found["extreme"] == 5 * 9 + 9 * 9
    assert found["ratio_3x3"] == pytest.approx(1 / 3)
    assert found["simple_ratio"] == pytest.approx(192 / 516)
    assert found["extreme_ratio"] == pytest.approx(126 / 516)
    assert found["formula_errors"] == 0
