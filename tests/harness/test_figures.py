"""Figures of a report; what they show is in numbers that they are drawn from."""

import math

import pytest

from kerasref.harness import figures
from kerasref.harness.spec import Figure


def test_distribution_function_jumps_at_each_run():
    places, shares = figures.cdf_steps([0.3, 0.1, 0.2, 0.2])
    assert places == [0.1, 0.1, 0.2, 0.2, 0.3]
    assert shares == [0, 0.25, 0.5, 0.75, 1]


def test_runs_that_diverged_count_but_are_never_reached():
    places, shares = figures.cdf_steps([0.1, math.nan, math.inf, 0.3])
    assert places == [0.1, 0.1, 0.3]
    assert shares == [0, 0.25, 0.5]
    assert figures.cdf_steps([math.nan]) == ([], [])


@pytest.mark.parametrize("log", [False, True])
def test_distribution_figure_is_a_picture_of_all_runs_in_any_order(make_experiment, make_runs, log):
    experiment = make_experiment("{id: A1-1, metric: test_error, lower: a, than: b}")
    figure = Figure(kind="cdf", metric="test_error", log=log)
    runs = make_runs("a", test_error=[0.2, 0.1, 0.3]) + make_runs("b", test_error=[0.15, 0.2, 0.1])
    picture = figures.draw(experiment, figure, runs, "")
    assert picture.startswith(b"\x89PNG")
    assert figures.draw(experiment, figure, runs[::-1], "") == picture
    assert figures.draw(experiment, figure, runs[1:], "") != picture
    bars = Figure(kind="bars", metric="test_error", log=log)
    assert figures.draw(experiment, bars, runs, "") != picture
