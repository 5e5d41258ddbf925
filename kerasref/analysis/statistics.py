"""Intervals for few runs: means and paired differences with Student's t."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

# SciPy's `stdtrit(n, 0.975)` for 1 to 30 degrees of freedom, so that reading reports, with their
# few seeds, need not wait a third of a second for the import of SciPy.
_QUANTILES = (
    12.706204736174694,
    4.302652729749462,
    3.1824463052837078,
    2.7764451051977934,
    2.5705818356363146,
    2.4469118511449786,
    2.364624251592784,
    2.306004135204166,
    2.262157162798205,
    2.228138851986274,
    2.200985160091639,
    2.1788128296672284,
    2.1603686564627913,
    2.144786687917804,
    2.131449545559776,
    2.1199052992212546,
    2.1098155778333156,
    2.1009220402410382,
    2.0930240544083087,
    2.085963447265864,
    2.0796138447276795,
    2.0738730679040254,
    2.0686576104190486,
    2.0638985616280245,
    2.0595385527532972,
    2.0555294386428735,
    2.0518305164802846,
    2.0484071417952454,
    2.045229642132703,
    2.0422724563012378,
)


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
    return Interval(mean, _quantile(n - 1) * math.sqrt(variance / n), n)


def _quantile(degrees: int) -> float:
    """The 97.5 % quantile of Student's t."""
    if degrees <= len(_QUANTILES):
        return _QUANTILES[degrees - 1]
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))


def paired_difference(a: Mapping[int, float], b: Mapping[int, float]) -> Interval:
    """Mean of `a - b` over the seeds that both have, with the interval of the paired t test.

    Args:
        a, b: seed -> value.
    """
    return mean_interval(a[seed] - b[seed] for seed in sorted(a.keys() & b.keys()))
