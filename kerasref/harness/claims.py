"""The rules by which runs decide a claim.

Exact claims must hold for every seed. Statistical claims are decided by the 95 % interval of
Student's t over seeds, variants paired by seed; fewer than `MIN_SEEDS` seeds decide nothing,
nor do values that are not finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from kerasref.analysis.statistics import Interval, mean_interval, paired_difference
from kerasref.harness import formatting
from kerasref.harness.records import Record
from kerasref.harness.spec import (
    BoundClaim,
    CitationClaim,
    Claim,
    CompareClaim,
    EqualsClaim,
    OpenClaim,
    SameClaim,
)

MIN_SEEDS = 3

Arms = dict[str, dict[int, Record]]
"""Variant -> seed -> run."""


def decide(claim: Claim, arms: Arms) -> tuple[str, str]:
    """Verdict and evidence from the runs of the claim's variants."""
    match claim:
        case EqualsClaim():
            return _equals(claim, arms)
        case BoundClaim():
            return _bound(claim, arms)
        case CompareClaim():
            return _compare(claim, arms)
        case SameClaim():
            return _same(claim, arms)
        case CitationClaim():
            return _cited(claim)
        case OpenClaim():
            return "open", claim.open


def statement(claim: Claim) -> str:
    """The claim as one line of English."""
    match claim:
        case EqualsClaim():
            margin = f" (± {formatting.exact(claim.within)})" if claim.within else ""
            return f"`{claim.metric}` of `{claim.of}` is {formatting.exact(claim.equals)}{margin}"
        case BoundClaim():
            bound, side = (
                (claim.at_least, "least") if claim.at_most is None else (claim.at_most, "most")
            )
            text = f"`{claim.metric}` of `{claim.of}` is at {side} {formatting.exact(bound)}"
            return text + (f" at epoch {claim.epochs}" if claim.epochs else "")
        case CompareClaim():
            direction = "higher" if claim.higher else "lower"
            text = f"`{claim.metric}` is {direction} for `{claim.subject}` than for `{claim.than}`"
            if claim.by:
                text += f" by at least {formatting.exact(claim.by)}"
            if claim.epochs == "every":
                text += " at every epoch"
            elif claim.epochs:
                text += f" at epoch {claim.epochs}"
            return text
        case SameClaim():
            margin = formatting.exact(claim.within)
            return f"`{claim.metric}` of `{claim.same}` is within {margin} of that of `{claim.as_}`"
        case CitationClaim():
            return f"{claim.cites} has {formatting.exact(claim.prints)}"
        case OpenClaim():
            return "not measured"


def _values(metric: str, runs: dict[int, Record]) -> dict[int, float]:
    """Seed -> final value, of the runs that report it."""
    return {seed: run.metrics[metric] for seed, run in runs.items() if metric in run.metrics}


def _at_epoch(metric: str, runs: dict[int, Record], epoch: int) -> dict[int, float]:
    """Seed -> value at an epoch (from 1), of the runs that got so far."""
    curves = {seed: run.history.get(metric, ()) for seed, run in runs.items()}
    return {seed: curve[epoch - 1] for seed, curve in curves.items() if len(curve) >= epoch}


def _equals(claim: EqualsClaim, arms: Arms) -> tuple[str, str]:
    def agrees(value: float, target: float) -> bool:
        return abs(value - target) <= claim.within

    values = _values(claim.metric, arms[claim.of])
    evidence = _measured(values)
    if claim.book is not None:
        evidence += f"; the book prints {formatting.exact(claim.book)}"
    if not values:
        return "open", evidence
    if not all(agrees(value, claim.equals) for value in values.values()):
        return "mismatch", evidence
    if claim.book is not None and not agrees(claim.book, claim.equals):
        return "erratum", evidence
    return "match", evidence


def _cited(claim: CitationClaim) -> tuple[str, str]:
    evidence = f"the book prints {formatting.exact(claim.book)}; compared, not measured"
    return ("match" if claim.book == claim.prints else "erratum"), evidence


def _measured(values: dict[int, float], word: str = "measured") -> str:
    """`measured 60,850, 5 seeds`, or every value where seeds differ."""
    if not values:
        return "nothing measured"
    if len(set(values.values())) == 1:
        text = formatting.exact(next(iter(values.values())))
    else:
        text = ", ".join(formatting.exact(values[seed]) for seed in sorted(values))
    return f"{word} {text}, {formatting.count(len(values), 'seed')}"


def _bound(claim: BoundClaim, arms: Arms) -> tuple[str, str]:
    runs = arms[claim.of]
    values = (
        _at_epoch(claim.metric, runs, claim.epochs) if claim.epochs else _values(claim.metric, runs)
    )
    if claim.exact:
        holds = all(_above(value, claim) for value in values.values())
        return ("open" if not values else "match" if holds else "mismatch"), _measured(values)
    interval = mean_interval(values.values())
    counted = _counted(interval, values.values())
    evidence = f"mean {formatting.bounds(interval, claim.metric)}, {counted}"
    if not _decides(interval):
        return "inconclusive", evidence
    if _above(interval.low, claim) and _above(interval.high, claim):
        return "reproduced", evidence
    if not _above(interval.low, claim) and not _above(interval.high, claim):
        return "refuted", evidence
    return "inconclusive", evidence


def _above(value: float, claim: BoundClaim) -> bool:
    """True on the right side of the bound; never for nan."""
    return value <= claim.at_most if claim.at_least is None else value >= claim.at_least


def _compare_exactly(
    claim: CompareClaim, first: dict[int, float], second: dict[int, float]
) -> tuple[str, str]:
    common = sorted(first.keys() & second.keys())
    if not common:
        return "open", "no seed in common"
    differences = {seed: first[seed] - second[seed] for seed in common}
    sign = 1 if claim.higher else -1
    holds = all(_is_by(sign * difference, claim.by) for difference in differences.values())
    return ("match" if holds else "mismatch"), _measured(differences, "difference")


def _is_by(amount: float, by: float) -> bool:
    """Whether one value is higher than another: by 0, more than equal; else at least by so much."""
    return amount >= by > 0 or amount > by


class _Comparison(NamedTuple):
    margin: float
    """How far the interval's weaker end lies beyond the claim; the worst epoch has the least."""
    word: str
    evidence: str


def _compare(claim: CompareClaim, arms: Arms) -> tuple[str, str]:
    first, second = (arms[variant] for variant in claim.variants)
    if claim.exact:
        return _compare_exactly(claim, _values(claim.metric, first), _values(claim.metric, second))
    if claim.epochs is None:
        whole = _compare_values(claim, _values(claim.metric, first), _values(claim.metric, second))
        return whole.word, whole.evidence
    curves = [run.history.get(claim.metric, ()) for arm in (first, second) for run in arm.values()]
    longest = max(map(len, curves))
    if longest < (1 if claim.epochs == "every" else claim.epochs):
        return "inconclusive", f"the runs have {formatting.count(longest, 'epoch')}"
    compared = {
        epoch: _compare_values(
            claim,
            _at_epoch(claim.metric, first, epoch),
            _at_epoch(claim.metric, second, epoch),
        )
        for epoch in (range(1, longest + 1) if claim.epochs == "every" else [claim.epochs])
    }
    severity = ("refuted", "inconclusive", "reproduced").index
    worst = min(
        compared, key=lambda epoch: (severity(compared[epoch].word), compared[epoch].margin)
    )
    place = f"epoch {worst}, the worst of {longest}" if len(compared) > 1 else f"epoch {worst}"
    return compared[worst].word, f"{place}: {compared[worst].evidence}"


def _compare_values(
    claim: CompareClaim, first: dict[int, float], second: dict[int, float]
) -> _Comparison:
    difference = paired_difference(first, second)
    sign = 1 if claim.higher else -1
    low, high = sorted((sign * difference.low, sign * difference.high))
    margin = low - claim.by if math.isfinite(low) else -math.inf
    word = "inconclusive"
    if _decides(difference):
        if _is_by(low, claim.by):
            word = "reproduced"
        elif high < claim.by:
            word = "refuted"
    return _Comparison(margin, word, _difference(difference, claim.metric, first, second))


def _same(claim: SameClaim, arms: Arms) -> tuple[str, str]:
    same, as_ = (_values(claim.metric, arms[variant]) for variant in claim.variants)
    difference = paired_difference(same, as_)
    evidence = _difference(difference, claim.metric, same, as_)
    if not _decides(difference):
        return "inconclusive", evidence
    if -claim.within <= difference.low and difference.high <= claim.within:
        return "reproduced", evidence
    if difference.low > claim.within or difference.high < -claim.within:
        return "refuted", evidence
    return "inconclusive", evidence


def _decides(interval: Interval) -> bool:
    return interval.n >= MIN_SEEDS and math.isfinite(interval.half_width)


def _difference(
    difference: Interval, metric: str, first: dict[int, float], second: dict[int, float]
) -> str:
    common = first.keys() & second.keys()
    if not common:
        return "no seed in common"
    counted = _counted(difference, [*(first[s] for s in common), *(second[s] for s in common)])
    if all(first[seed] == second[seed] for seed in common):
        return f"identical for every seed, {counted}"
    return f"difference {formatting.bounds(difference, metric, signed=True)}, {counted}"


def _counted(interval: Interval, values: Iterable[float]) -> str:
    """`5 seeds`, with the reason where these decide nothing."""
    text = formatting.count(interval.n, "seed")
    if not all(map(math.isfinite, values)):
        return f"{text}, not all finite"
    return text if interval.n >= MIN_SEEDS else f"{text} (a verdict takes {MIN_SEEDS})"
