"""Numbers as the reports print them."""

from __future__ import annotations

import math

from kerasref.analysis.statistics import Interval


def number(value: float, metric: str = "") -> str:
    """Integers with thousands separators, accuracies to four places, else four digits."""
    return _fixed(value, _places(value, math.nan, metric))


def exact(value: float) -> str:
    """Integers with thousands separators, every digit of anything else."""
    return f"{value:,.0f}" if _is_integer(value) else repr(float(value))


def mean(interval: Interval, metric: str = "") -> str:
    """`0.9712 ± 0.0021`; the mean alone where all values agree or there is only one."""
    if not interval.half_width > 0:
        return number(interval.mean, metric)
    places = _places(interval.mean, interval.half_width, metric)
    return f"{_fixed(interval.mean, places)} ± {_fixed(interval.half_width, places)}"


def bounds(interval: Interval, metric: str = "", *, signed: bool = False) -> str:
    """`+0.034 [+0.027, +0.041]`; the mean alone without an interval."""
    places = _places(interval.mean, interval.half_width, metric)
    centre, low, high = (
        _fixed(value, places, signed) for value in (interval.mean, interval.low, interval.high)
    )
    return centre if math.isnan(interval.half_width) else f"{centre} [{low}, {high}]"


def count(n: int, thing: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def duration(seconds: float) -> str:
    """`45 s`, `12 min 30 s`, `3 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _is_integer(value: float) -> bool:
    return math.isfinite(value) and value == round(value) and abs(value) < 1e15


def _places(value: float, half_width: float, metric: str) -> int | None:
    """Decimal places: two digits of the half width, else four of the value. None: scientific."""
    if "accuracy" in metric:
        return 4
    unit = half_width
    if not unit > 0:
        if not math.isfinite(value) or _is_integer(value):
            return 0
        unit = abs(value) / 100
    places = max(0, 1 - math.floor(math.log10(unit))) if math.isfinite(unit) else 0
    return places if places <= 8 else None


def _fixed(value: float, places: int | None, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if places is None or abs(value) >= 1e15:
        return f"{value:{sign}.3g}"
    text = f"{value:{sign},.{places}f}"
    return text.replace("-", "") if text.strip("-0.,") == "" else text
