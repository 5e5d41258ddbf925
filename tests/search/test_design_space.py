"""Spaces of networks, their budgets and error distributions."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from kerasref import models
from kerasref.analysis import counts
from kerasref.search import design_space
from kerasref.search.design_space import ANYNETS, PERCEPTRONS, Space

SHAPE = (14, 14, 1)
SMALL = {
    "stages": 3,
    "max_depth": 3,
    "max_width": 64,
    "group_widths": (4, 8, 16),
    "stem_channels": 16,
    "budget": (80_000, 160_000),
}


def nets(name, number=60, **changes):
    space = Space(name, **{**SMALL, **changes})
    return [space.sample(seed, SHAPE, 10) for seed in range(number)]


def grows(values):
    return all(a <= b for a, b in itertools.pairwise(values))


@pytest.mark.parametrize(
    ("name", "ratio", "group", "widths", "depths"),
    [
        ("AnyNet_A", False, False, False, False),
        ("AnyNet_B", True, False, False, False),
        ("AnyNet_C", True, True, False, False),
        ("AnyNet_D", True, True, True, False),
        ("AnyNet_E", True, True, True, True),
    ],
)
def test_each_space_adds_a_rule(name, ratio, group, widths, depths):
    drawn = [net.arguments for net in nets(name)]
    assert all(len(set(a["bottleneck_ratios"])) == 1 for a in drawn) == ratio
    assert all(len(set(a["group_widths"])) == 1 for a in drawn) == group
    assert all(grows(a["widths"]) for a in drawn) == widths
    assert all(grows(a["depths"]) for a in drawn) == depths


@pytest.mark.parametrize(("name", "number"), [*zip(ANYNETS, (17, 14, 11, 11, 11), strict=True)])
def test_free_numbers(name, number):
    assert Space(name).free_numbers == number


@pytest.mark.parametrize("name", ANYNETS)
@pytest.mark.parametrize("se_ratio", [None, 4])
def test_nets_build_and_have_the_stated_cost(name, se_ratio):
    for net in nets(name, 2, se_ratio=se_ratio):
        with tf.Graph().as_default():
            model = getattr(models, net.builder)(input_shape=SHAPE, classes=10, **net.arguments)
            assert counts.count(model).macs == net.macs
        assert 80_000 <= net.macs <= 160_000
        assert sum(layer.name.endswith("_add") for layer in model.layers) == net.depth
        outputs = [layer.output.shape[-1] for layer in model.layers if layer.name.endswith("_add")]
        assert sum(outputs) / len(outputs) == pytest.approx(net.width)


@pytest.mark.parametrize("name", PERCEPTRONS)
def test_perceptrons_keep_their_order_and_budget(name):
    drawn = nets(name, 20, stages=4, max_width=256, budget=(50_000, 100_000))
    units = [net.arguments["units"] for net in drawn]
    assert all(map(grows, units)) == (name == "MLP_growing")
    assert all(grows(u[::-1]) for u in units) == (name == "MLP_shrinking")
    net = drawn[0]
    model = models.DenseMLP(input_shape=SHAPE, **net.arguments)
    assert counts.count(model).macs == net.macs
    assert net.depth == len(net.arguments["units"])


def test_the_seed_decides_the_net_and_spaces_share_their_draws():
    free = {"budget": (0, 10**12)}
    a, b = nets("AnyNet_A", 5, **free), nets("AnyNet_B", 5, **free)
    assert a == nets("AnyNet_A", 5, **free)
    assert len({str(net) for net in a}) == 5
    for one, two in zip(a, b, strict=True):
        assert one.arguments["depths"] == two.arguments["depths"]
        assert one.arguments["group_widths"] == two.arguments["group_widths"]
        assert set(two.arguments["bottleneck_ratios"]) == {one.arguments["bottleneck_ratios"][0]}


def test_impossible_spaces_are_named(monkeypatch):
    monkeypatch.setattr(design_space, "_DRAWS", 100)
    with pytest.raises(ValueError, match=r"`budget`: no net of AnyNet_A has 1 to 2 MACs"):
        Space("AnyNet_A", budget=(1, 2)).sample(0, SHAPE, 10)
    with pytest.raises(ValueError, match="`name` must be one of AnyNet_A"):
        Space("AnyNet_F").sample(0, SHAPE, 10)


@pytest.mark.parametrize(
    ("line", "depths", "widths"),
    [  # Radosavovic et al. 2020, appendix
        ((13, 24, 36.44, 2.49, 8), [1, 1, 4, 7], [24, 56, 152, 368]),
        ((22, 24, 24.48, 2.54, 16), [1, 2, 7, 12], [32, 64, 160, 384]),
        ((16, 56, 35.73, 2.28, 16), [1, 3, 7, 5], [64, 128, 288, 672]),
        ((18, 80, 34.01, 2.25, 24), [2, 4, 10, 2], [72, 168, 408, 912]),
    ],
)
def test_lines_give_the_published_regnets(line, depths, widths):
    assert design_space.linear_stages(*line) == (depths, widths)


def test_empirical_distribution_is_the_definition():
    errors = [0.3, 0.1, 0.2, 0.2]
    at = [0.0, 0.1, 0.15, 0.2, 0.3, 1.0]
    expected = [sum(e <= a for e in errors) / 4 for a in at]
    np.testing.assert_array_equal(design_space.empirical_cdf(errors, at), expected)


def test_distance_is_the_largest_gap():
    a, b = [0.1, 0.2, 0.3], [0.2, 0.3, 0.4, 0.5]
    at = sorted({*a, *b})
    gaps = np.abs(design_space.empirical_cdf(a, at) - design_space.empirical_cdf(b, at))
    assert math.isclose(design_space.ks_distance(a, b), gaps.max())
    assert design_space.ks_distance(a, a) == 0
