"""Intervals for few runs: means and paired differences with Student's t."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scipy.special import stdtrit


class Interval(NamedTuple):
    """A mean with its two-sided 95 % confidence interval, `mean - half_width .. mean + half_width`.

    `half_width` is nan where `n` values cannot give one: fewer than two, or not all finite.
    """

    mean: float
    half_width: float
    n: int

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width


def mean_interval(values: Iterable[float]) -> Interval:
    """Mean of independent values with its 95 % interval by Student's t, n - 1 degrees of freedom.

    The order of the values does not matter, and equal values give a half width of exactly 0.
    A value that is not finite makes mean and half width nan.
    """
    values = [float(value) for value in values]
    n = len(values)
    if not n or not all(map(math.isfinite, values)):
        return Interval(math.nan, math.nan, n)
    mean = min(max(math.fsum(values) / n, min(values)), max(values))
    if n < 2:
        return Interval(mean, math.nan, n)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    quantile = float(stdtrit(n - 1, 0.975))
    return Interval(mean, quantile * math.sqrt(variance / n), n)


def paired_difference(a: Mapping[int, float], b: Mapping[int, float]) -> Interval:
    """Mean of `a - b` over the seeds that both have, with the interval of the paired t test.

    Args:
        a, b: seed -> value.
    """
    return mean_interval(a[seed] - b[seed] for seed in sorted(a.keys() & b.keys()))
