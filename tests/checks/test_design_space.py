"""Checks of design spaces: they say what they measure, and would notice if it were wrong."""

import pytest

from kerasref.checks import design_space as checks


def test_free_numbers_are_counted_on_nets():
    found = checks.free_numbers()
    assert [found[space] for space in "abcde"] == [17, 14, 11, 11, 11]
    assert found["combinations"] == 131_072
    assert (found["removed_by_b"], found["removed_by_c"], found["removed"]) == (3, 3, 6)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("A", (0, 0, 0, 0)),
        ("B", (1, 0, 0, 0)),
        ("C", (1, 1, 0, 0)),
        ("D", (1, 1, 1, 0)),
        ("E", (1,) * 4),
    ],
)
def test_rules_of_each_space(space, expected):
    found = checks.rules(space, nets=60)
    names = ("shared_ratio", "shared_group_width", "widths_grow", "depths_grow")
    assert tuple(found[name] for name in names) == expected
    assert found["in_budget"] == 1


def test_a_wrong_cost_would_be_noticed(monkeypatch):
    monkeypatch.setattr("kerasref.search.design_space.anynet_macs", lambda *a, **k: 100_000)
    assert checks.rules("A", nets=10)["in_budget"] < 1


def test_empirical_distribution_converges():
    found = checks.error_distribution()
    assert found["hand_error"] == 0
    assert found["monotone"] == found["from_0_to_1"] == 1
    assert found["distance"] <= found["bound"] < found["distance_100"]
    assert found["two_spaces"] == pytest.approx(found["two_spaces_true"], abs=0.03)


def test_a_biased_sample_would_be_noticed(monkeypatch):
    original = checks.empirical_cdf
    monkeypatch.setattr(checks, "empirical_cdf", lambda errors, at: original(errors, at) * 0.9)
    found = checks.error_distribution()
    assert found["hand_error"] > 0
    assert found["distance"] > found["bound"]
    assert found["from_0_to_1"] == 0


def test_lines_give_the_published_parameters():
    found = checks.linear_widths()
    assert found["params_200mf"] == 2_684_792
    assert found["params_400mf"] == 5_157_512
    assert found["params_800mf"] == 7_259_656
    assert 0.5 < found["correlation"] < 1


def test_regnet_is_that_of_the_table():
    found = checks.regnet_parts()
    assert [found[part] for part in ("stem", "stage1", "stage2", "head")] == [
        384,
        28_896,
        149_200,
        810,
    ]
    assert found["layers"] == 32
    assert found["halvings"] == 3
    assert found["widenings"] == 1
