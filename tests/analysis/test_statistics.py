"""Intervals against SciPy's own t tests, which share no code with ours."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kerasref.analysis.statistics import mean_interval, paired_difference

quarters = st.integers(-4000, 4000).map(lambda n: n / 4)
values = st.lists(quarters, min_size=2, max_size=8).filter(lambda sample: len(set(sample)) > 1)
pairs = st.lists(st.tuples(quarters, quarters), min_size=2, max_size=8).filter(
    lambda sample: len({a - b for a, b in sample}) > 1
)


def test_student_t_table():
    # t(0.975, 4) = 2.776 and the standard error of 1..5 is sqrt(2.5 / 5): any statistics text.
    mean, half_width, n = mean_interval([1, 2, 3, 4, 5])
    assert (mean, n) == (3, 5)
    assert half_width == pytest.approx(2.776445 * math.sqrt(0.5), rel=1e-6)


@pytest.mark.parametrize("n", range(2, 36))
def test_quantiles_are_scipys(n):
    sample = [float(i) for i in range(n)]
    error = math.sqrt(sum((i - (n - 1) / 2) ** 2 for i in sample) / (n - 1) / n)
    expected = stats.t.ppf(0.975, n - 1) * error
    assert mean_interval(sample).half_width == pytest.approx(expected, rel=1e-14)


@given(values)
def test_interval_equals_scipys(sample):
    expected = stats.ttest_1samp(sample, 0.0).confidence_interval(0.95)
    interval = mean_interval(sample)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), rel=1e-9, abs=1e-9)


@given(pairs)
def test_paired_difference_equals_scipys(sample):
    a, b = (dict(enumerate(column)) for column in zip(*sample, strict=True))
    expected = stats.ttest_rel(list(a.values()), list(b.values())).confidence_interval(0.95)
    interval = paired_difference(a, b)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), rel=1e-9, abs=1e-9)


def test_only_common_seeds_are_paired_whatever_their_order():
    assert paired_difference({0: 5.0, 1: 1.0, 2: 9.0}, {2: 8.0, 1: 2.0, 7: 0.0}) == mean_interval(
        [-1.0, 1.0]
    )


@given(st.floats(-1e6, 1e6), st.integers(2, 50))
def test_equal_values_have_no_spread(value, n):
    assert mean_interval([value] * n) == (value, 0.0, n)


@given(values)
def test_order_does_not_matter(sample):
    assert mean_interval(sample) == mean_interval(sorted(sample))


@pytest.mark.parametrize("sample", [[], [math.nan, 1.0], [math.inf, 1.0, 2.0]])
def test_no_mean_of_nothing_or_of_what_is_not_finite(sample):
    interval = mean_interval(sample)
    assert math.isnan(interval.mean)
    assert math.isnan(interval.half_width)
    assert interval.n == len(sample)


def test_one_value_has_a_mean_but_no_interval():
    interval = mean_interval([2.5])
    assert interval.mean == 2.5
    assert math.isnan(interval.half_width)
