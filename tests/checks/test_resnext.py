"""The checks of ResNeXt's section: right, and able to fail."""

import numpy as np
import pytest

from kerasref.checks import resnext
from kerasref.layers import GroupedConv2D

SMALL = {"channels": 16, "paths": 4, "width": 3}


def test_neuron_is_an_inner_product():
    found = resnext.neuron(inputs=5)
    assert found["error"] < 1e-5
    assert found["paths"] == found["weights"] == 5


def test_unit_adds_its_paths():
    found = resnext.aggregation(**SMALL)
    assert found["sum_error"] < 1e-5
    assert found["residual_error"] < 1e-5
    assert found["missing_difference"] > 0.01
    assert (found["paths"], found["topologies"]) == (4, 1)


def test_forms_are_one_function():
    found = resnext.forms(**SMALL)
    for key in ("error_a", "error_b", "training_error_a", "training_error_b"):
        assert found[key] < 1e-5
    assert found["shuffled_difference"] > 0.1
    weights = 4 * (16 * 3 + 9 * 3 * 3 + 3 * 16)
    assert [found[f"weights_{form}"] for form in "abc"] == [weights] * 3
    assert found["bottleneck_weights"] == 16 * 4 + 9 * 4 * 4 + 4 * 16


def test_weights_of_other_paths_are_noticed(monkeypatch):
    split = np.split
    monkeypatch.setattr(np, "split", lambda x, *more: split(x, *more)[::-1])
    found = resnext.forms(**SMALL)
    assert found["error_b"] > 0.01  # its last convolution knows the order of the paths
    assert found["error_a"] < 1e-5  # a sum has none


def test_groups_by_hand():
    found = resnext.grouped(channels=8, side=5)
    for groups in (1, 2, 4, 8):
        assert found[f"params_{groups}"] == 9 * 8 * 8 / groups
        assert found[f"macs_{groups}"] == 25 * 9 * 8 * 8 / groups
    assert found["params_error"] == found["macs_error"] == 0
    assert max(found[f"{kind}_error"] for kind in ("standard", "depthwise", "diagonal")) < 1e-5


@pytest.mark.parametrize("kind", ["depthwise", "diagonal"])
def test_groups_that_mix_are_noticed(monkeypatch, kind):
    convolve = GroupedConv2D.convolution_op
    mixed = lambda self, x, kernel: convolve(self, x[..., ::-1], kernel)  # noqa: E731
    monkeypatch.setattr(GroupedConv2D, "convolution_op", mixed)
    assert resnext.grouped(channels=8, side=5)[f"{kind}_error"] > 0.1
