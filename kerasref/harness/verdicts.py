"""What the runs say about an experiment's claims and a ledger's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kerasref.harness import formatting, plan
from kerasref.harness.claims import Arms, decide, statement
from kerasref.harness.errors import ConfigError, did_you_mean
from kerasref.harness.provenance import surrogate_label
from kerasref.harness.records import Record
from kerasref.harness.spec import PROFILES, Claim, CompareClaim, Experiment, MeasuredClaim

# Worst first. A ledger row is as good as the worst of its claims that have been tested.
WORDS = (
    "mismatch",
    "refuted",
    "inconclusive",
    "erratum",
    "reproduced",
    "match",
    "open",
    "needs-scale",
)
UNTESTED = ("open", "needs-scale")

LEARNED = 0.5
"""Share of its training images that a network must get right to be compared with others."""

GENERALISATION = ("test_accuracy", "test_loss", "accuracy_gap")
"""Metrics that say little of a network which did not learn."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on one claim.

    Attributes:
        id: ledger row.
        word: one of `WORDS`.
        statement: the claim, as a sentence.
        evidence: what was measured, with the statistic.
        surrogate: a label naming the book's data and the data used instead, or empty.
        missing: runs that the verdict could not use, in words.
        note: the experiment's own remark about the claim.
    """

    experiment: str
    id: str
    claim: Claim
    word: str
    statement: str
    evidence: str
    surrogate: str = ""
    missing: tuple[str, ...] = ()
    note: str = ""


def judge(experiment: Experiment, records: Sequence[Record], profile: str) -> list[Verdict]:
    """One verdict per claim, in the file's order.

    Args:
        records: runs of this experiment, at most one per variant, seed and profile.
        profile: the scale asked for. Claims that need a larger one use its runs.

    Raises:
        ConfigError: a claim names a metric that none of the runs reports.
    """
    return [
        _judge_claim(experiment, number, claim, records, profile)
        for number, claim in enumerate(experiment.claims)
    ]


def row_verdict(words: Iterable[str]) -> str:
    """The verdict on a ledger row from those on its claims.

    The worst one of what was tested; `open` or `needs-scale` only where nothing was.
    """
    return min(words, key=WORDS.index, default="open")


def wanted_profile(experiment: Experiment, profile: str, claim: Claim | None = None) -> str:
    """The largest of the profile asked for and those that the experiment and claim need."""
    needed = [profile, experiment.needs, claim.profile if claim else None]
    return max((name for name in needed if name), key=PROFILES.index)


def collapsed(records: Iterable[Record]) -> list[Record]:
    """Runs that ended at chance level, as their own metric `collapsed` says."""
    return [record for record in records if record.metrics.get("collapsed") == 1]


def did_not_learn(records: Iterable[Record]) -> list[Record]:
    """Runs that got less than `LEARNED` of their training images right in the end."""
    return [record for record in records if not record.metrics.get("fit_accuracy", 1) >= LEARNED]


def unknown_metric(
    experiment: Experiment, metric: str, known: Iterable[str], *key: str, per_epoch: bool = False
) -> ConfigError:
    """The error for a metric that no run reports."""
    kind = "per-epoch metric" if per_epoch else "metric"
    hint = did_you_mean(metric, known) or "; the runs report none"
    return experiment.error(f"no run reports the {kind} {metric!r}{hint}", *key)


def _judge_claim(
    experiment: Experiment, number: int, claim: Claim, records: Sequence[Record], profile: str
) -> Verdict:
    if not isinstance(claim, MeasuredClaim):
        word, evidence = decide(claim, {})
        return Verdict(
            experiment=experiment.id,
            id=claim.id,
            claim=claim,
            word=word,
            statement=statement(claim),
            evidence=evidence,
            note=claim.note,
        )
    wanted = wanted_profile(experiment, profile, claim)
    at_scale = [record for record in records if record.profile == wanted]
    arms = {
        variant: {record.seed: record for record in at_scale if record.variant == variant}
        for variant in claim.variants
    }
    used = [record for arm in arms.values() for record in arm.values()]
    per_epoch = isinstance(claim, CompareClaim) and claim.epochs is not None
    reported = [record.history if per_epoch else record.metrics for record in at_scale]
    if at_scale and not any(claim.metric in metrics for metrics in reported):
        known = {name for metrics in reported for name in metrics}
        key = ("claims", str(number), "metric")
        raise unknown_metric(experiment, claim.metric, known, *key, per_epoch=per_epoch)

    ran = {record.seed for record in at_scale}
    paired = {record.seed for record in used}
    # Due are the seeds of its partners, and those of its own that other variants have run with.
    due = {
        variant: paired | ran.intersection(plan.planned_seeds(experiment, variant, wanted))
        for variant in claim.variants
    }
    untested = [variant for variant in claim.variants if not arms[variant]]
    if untested:
        word = "needs-scale" if wanted == "paper" else "open"
        evidence = f"no {wanted} runs of {', '.join(untested)}"
    else:
        word, evidence = decide(claim, arms)
    unfit = [] if claim.failing or claim.metric not in GENERALISATION else did_not_learn(used)
    if unfit and word in ("reproduced", "refuted"):
        word = "inconclusive"
        evidence += (
            f"; decides nothing, because {formatting.count(len(unfit), 'run')} of "
            f"{', '.join(sorted({record.variant for record in unfit}))} got less than "
            f"{LEARNED:.0%} of the training images right"
        )
    down = len(collapsed(used))
    if down:
        evidence += f"; {formatting.count(down, 'run')} collapsed"
    return Verdict(
        experiment=experiment.id,
        id=claim.id,
        claim=claim,
        word=word,
        statement=statement(claim),
        evidence=evidence,
        surrogate=surrogate_label(experiment, used),
        missing=() if untested else _missing(claim.metric, arms, due, per_epoch),
        note=claim.note,
    )


def _missing(metric: str, arms: Arms, due: dict[str, set[int]], per_epoch: bool) -> tuple[str, ...]:
    lines = []
    for variant, runs in arms.items():
        absent = sorted(due[variant].difference(runs))
        if absent:
            lines.append(f"no run of {variant} with {_seeds(absent)}")
        silent = [
            seed
            for seed, record in sorted(runs.items())
            if metric not in (record.history if per_epoch else record.metrics)
        ]
        if silent:
            lines.append(f"{variant} with {_seeds(silent)} did not report {metric}")
    return tuple(lines)


def _seeds(seeds: list[int]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))
