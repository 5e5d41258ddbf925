"""Checks of section 2.5: they say what they measure, and would notice if it were wrong."""

import keras
import pytest

from kerasref.checks import guidelines
from kerasref.checks import shufflenet as checks
from kerasref.layers import ChannelShuffle


def test_shuffle_is_the_books():
    assert set(checks.shuffle().values()) == {0}
    assert set(checks.shuffle(groups=4, channels=24).values()) == {0}


def test_another_permutation_is_noticed(monkeypatch):
    monkeypatch.setattr(ChannelShuffle, "call", lambda self, x: keras.ops.flip(x, axis=-1))
    found = checks.shuffle()
    assert found["misplaced"] == 6  # 2, 4 and 6 are where they belong
    assert found["listing_error"] > 0.1
    assert found["gradient_error"] > 0.1
    assert checks.one_element_wise_operation()["error"] > 0.1


def test_concatenation_shuffle_and_split_compute_nothing():
    assert checks.one_element_wise_operation(8) == {"error": 0, "computed": 0}


def test_units_cost_what_the_formulas_say():
    found = checks.unit_costs(channels=128, bottleneck=32, groups=4, side=5)
    assert found["resnet"] == 25 * (2 * 128 * 32 + 9 * 32**2)
    assert found["resnext"] == 25 * (2 * 128 * 32 + 9 * 32**2 // 4)
    assert found["shufflenet"] == 25 * (2 * 128 * 32 // 4 + 9 * 32)
    assert found["resnet"] > found["resnext"] > found["shufflenet"]
    assert not any(found[f"{unit}_error"] for unit in ("resnet", "resnext", "shufflenet"))


def test_separable_convolutions_cost_what_the_equations_say():
    found = checks.separable_costs(channels=12, filters=18, groups=3, side=4)
    assert (found["error"], found["grouped_error"]) == (0, 0)
    assert found["ratio"] == pytest.approx(18 / 9)
    assert found["grouped_ratio"] == pytest.approx(18 / 27)


def test_pointwise_share_of_mobilenet_is_the_papers():
    """Howard et al. 2017, table 2: 94.86 % and 3.06 %."""
    found = checks.pointwise_share("MobileNet")
    assert found["pointwise"] == pytest.approx(0.9486, abs=5e-5)
    assert found["depthwise"] == pytest.approx(0.0306, abs=5e-5)


def test_reuse_halves_with_each_unit_and_not_without_the_shuffle():
    found = checks.reuse(channels=32, units=5)
    assert [found[f"after_{j}"] for j in range(1, 6)] == [16, 8, 4, 2, 1]
    assert found["changed"] == 0
    plain = checks.reuse(channels=32, units=3, shuffle=False)
    assert [plain[f"after_{j}"] for j in range(1, 4)] == [16] * 3


@pytest.mark.parametrize(
    ("widths", "expected"),
    [((128, 128), 819200), ((90, 180), 862920), ((52, 312), 1157728), ((36, 432), 1483200)],
)
def test_memory_access_of_widths(widths, expected):
    found = guidelines.memory_access("WidthProbe", {"widths": widths, "blocks": 2})
    assert found["first"] == expected
    assert found["access"] == 4 * expected
    assert found["formula_error"] == 0
    assert found["above_bound"] >= 1


def test_equal_widths_are_the_best_of_all():
    assert guidelines.least_memory_access(product=36, side=4) == {
        "pairs": 9,
        "c1": 6,
        "c2": 6,
        "least": 16 * 12 + 36,
    }


def test_memory_access_is_a_line_in_the_groups():
    found = guidelines.growth_with_groups(channels=16, side=4)
    assert found["per_group"] == 16 * 16
    assert found["line_start"] == 16 * 16 + 16 * 16  # the input and the weights
    assert found["line_error"] == 0


def test_checklist_counts_what_the_guidelines_speak_of():
    small = {"units": [3, 3], "input_shape": [64, 64, 3]}
    v1 = guidelines.checklist("ShuffleNet", small)
    assert (v1["grouped"], v1["width_ratio"], v1["activated_depthwise"]) == (11, 4, 0)
    assert (v1["branches"], v1["additions"]) == (1, 4)
    activated = guidelines.checklist("ShuffleNet", {**small, "relu_after_depthwise": True})
    assert activated["activated_depthwise"] == 1
    assert activated["element_wise"] > v1["element_wise"]
    v2 = guidelines.checklist("ShuffleNetV2", small)
    assert (v2["grouped"], v2["width_ratio"], v2["additions"]) == (0, 1, 0)
    assert (v2["branches"], v2["median_branches"]) == (2, 1)


@pytest.mark.parametrize(("fragments", "branches"), [("four_series", 1), ("four_parallel", 4)])
def test_branches_meet_in_one_place(fragments, branches):
    found = guidelines.checklist("FragmentProbe", {"fragments": fragments, "blocks": 2})
    assert found["branches"] == found["median_branches"] == branches
    assert found["activated_depthwise"] == 0


def test_share_of_convolutions_is_of_medians_without_the_first_round(monkeypatch):
    # seconds of the whole network and of its convolutions alone, in turns
    taken = [90, 80, 4, 3, 40, 30, 2, 1]
    times = [t for seconds in taken for t in (0, seconds)]
    monkeypatch.setattr(guidelines.time, "process_time", iter(times).__next__)
    arguments = {"stem": "small", "units": [1]}
    found = guidelines.convolution_share("ShuffleNetV2", arguments, side=32, batch=4, repeats=3)
    assert found == {
        "share": 3 / 4,
        "milliseconds": 1000 * 4 / 4,
        "convolution_milliseconds": 1000 * 3 / 4,
    }
