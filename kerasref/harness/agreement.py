"""Do new runs agree with the published ones?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kerasref.analysis.statistics import mean_interval
from kerasref.harness import formatting
from kerasref.harness.records import Record

_TIMINGS = (
    "seconds",
    "per_second",
    "speed",
    "spread",
    "floor",
    "peak",
    "bandwidth",
    "overhead",
    "mlflow_share",
)


@dataclass(frozen=True)
class Agreement:
    """Comparison of an experiment's runs with its published ones.

    Attributes:
        runs: number of runs compared.
        same: runs that are also in the published record, by hash.
        identical: those of them with every number but timings equal bit for bit.
        largest: largest relative difference of the others, with its metric and run.
        outside: variants' metrics whose mean lies outside the published 95 % interval.
        unchecked: variants' metrics without such an interval (fewer than two published runs).
    """

    runs: int
    same: int
    identical: int
    largest: tuple[float, str]
    outside: tuple[str, ...]
    unchecked: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line."""
        if not self.runs:
            return "no runs to compare with the published ones"
        if self.identical == self.runs:
            return f"all {formatting.count(self.runs, 'run')} identical to the published ones"
        parts = [f"{self.identical} of {formatting.count(self.runs, 'run')} identical to published"]
        if self.same > self.identical:
            parts.append(f"largest relative difference {self.largest[0]:.2g} ({self.largest[1]})")
        if self.runs > self.same:
            parts.append(f"{formatting.count(self.runs - self.same, 'run')} not published")
        if self.outside:
            parts.append(f"outside the published 95 % interval: {', '.join(self.outside)}")
        elif not self.unchecked:
            parts.append("every mean lies in the published 95 % interval")
        if self.unchecked:
            parts.append(f"no published interval for {', '.join(self.unchecked)}")
        return "; ".join(parts)


def compare(records: Sequence[Record], published: Sequence[Record]) -> Agreement:
    """Compare runs with published runs: by hash, then by variant's means.

    Timings and what is derived from them (see `is_timing`) are left out.
    """
    by_hash = {record.hash: record for record in published}
    pairs = [(record, by_hash[record.hash]) for record in records if record.hash in by_hash]
    differences = [_difference(record, other) for record, other in pairs]
    identical = sum(difference == 0 for difference, _ in differences)
    outside, unchecked = ((), ()) if identical == len(records) else _means(records, published)
    return Agreement(
        runs=len(records),
        same=len(pairs),
        identical=identical,
        largest=max(differences, default=(0.0, "")),
        outside=tuple(outside),
        unchecked=tuple(unchecked),
    )


def is_timing(metric: str) -> bool:
    """True for metrics that differ from one run to the next on the same machine."""
    return any(word in metric for word in _TIMINGS)


def _difference(record: Record, other: Record) -> tuple[float, str]:
    """Largest relative difference between two runs, and where."""
    ours, theirs = _numbers(record), _numbers(other)
    largest, where = max(
        (
            (_relative(ours.get(key, math.nan), theirs.get(key, math.nan)), key)
            for key in ours.keys() | theirs.keys()
        ),
        default=(0.0, ("", 0)),
    )
    metric, epoch = where
    at = f" at epoch {epoch}" if epoch else ""
    return largest, f"{metric}{at}, {record.variant} seed {record.seed}"


def _numbers(record: Record) -> dict[tuple[str, int], float]:
    """(metric, epoch) -> value; epoch 0 stands for the final value. A missing one is nan."""
    numbers = {(name, 0): value for name, value in record.metrics.items()}
    for name, curve in record.history.items():
        numbers |= {(name, epoch): value for epoch, value in enumerate(curve, start=1)}
    return {key: value for key, value in numbers.items() if not is_timing(key[0])}


def _relative(a: float, b: float) -> float:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))


def _means(records: Sequence[Record], published: Sequence[Record]) -> tuple[list[str], list[str]]:
    outside, unchecked = [], []
    for profile, variant, metric in sorted(
        {
            (record.profile, record.variant, metric)
            for record in records
            for metric in record.metrics
            if not is_timing(metric)
        }
    ):
        ours, theirs = (
            mean_interval(
                run.metrics[metric]
                for run in runs
                if (run.profile, run.variant) == (profile, variant) and metric in run.metrics
            )
            for runs in (records, published)
        )
        if ours.mean == theirs.mean:
            continue
        if math.isnan(theirs.half_width):
            unchecked.append(f"{variant} {metric}")
        elif not theirs.low <= ours.mean <= theirs.high:
            mean = formatting.number(ours.mean, metric)
            interval = formatting.bounds(theirs, metric)
            outside.append(f"{variant} {metric} {mean} (published {interval})")
    return outside, unchecked
