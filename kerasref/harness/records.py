"""A finished run as the store or the published record tells it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Record:
    """One finished run.

    Attributes:
        experiment, variant, seed, profile: which run it was.
        hash: content hash of the run's resolved configuration.
        metrics: final value of every metric.
        history: per-epoch values of every metric that has them; epoch 1 comes first.
        tags: provenance: `commit`, `data`, `data_fingerprint`, `surrogate` (name of the data
            set that the data stood in for, or empty), `device`, `strategy`, `versions`,
            `finished` (ISO time), `wall_seconds`.
    """

    experiment: str
    variant: str
    seed: int
    profile: str
    hash: str
    metrics: dict[str, float]
    history: dict[str, tuple[float, ...]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
