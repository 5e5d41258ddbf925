"""Which runs a report speaks of: those of the store, else the published record."""

from __future__ import annotations

from dataclasses import dataclass, field

from kerasref.harness import agreement, plan, published
from kerasref.harness.library import Library
from kerasref.harness.plan import Options
from kerasref.harness.records import Record
from kerasref.harness.spec import DEFAULT_PROFILE, Experiment


@dataclass
class Collected:
    """Runs by experiment id.

    Attributes:
        records: at most one run per variant and seed.
        failed: one line per run that failed and has not finished since.
        fresh: ids of the experiments whose runs come from the store.
        notes: what the user should know, by experiment id.
    """

    records: dict[str, list[Record]] = field(default_factory=dict)
    failed: dict[str, list[str]] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    notes: dict[str, str] = field(default_factory=dict)


def collect(library: Library, profile: str, origin: str) -> Collected:
    """Collect the runs of every experiment at one profile.

    Args:
        origin: `published` for the published record alone; `store` to prefer the store where it
            has every planned run, finished or failed. Where it has only some, the published
            record is kept if there is one.
    """
    collected = Collected()
    reports = library.root / "reports"
    record = published.read_all(reports) if profile == DEFAULT_PROFILE else {}
    store = None
    if origin == "store":
        from kerasref.harness.tracking import Store

        store = Store(library.state)
        store = store if store.exists() else None
    for id in library.paths:
        collected.records[id] = record.get(id, [])
        if store is None:
            continue
        experiment = library.experiment(id)
        found, failed, planned = _from_store(store, experiment, profile)
        if not found and not failed:
            continue
        if len(found) + len(failed) < planned and record.get(id):
            collected.notes[id] = (
                f"{id}: the store has {len(found)} of {planned} runs; the published ones are shown"
            )
            continue
        collected.records[id], collected.failed[id] = found, failed
        collected.fresh.add(id)
        if record.get(id):
            collected.notes[id] = f"{id}: {agreement.compare(found, record[id]).text}"
    return collected


def _from_store(
    store, experiment: Experiment, profile: str
) -> tuple[list[Record], list[str], int]:
    """Runs, failures and number planned, on the best data source on which anything has run."""
    plans = plan.alternatives(experiment, Options(profile))
    for runs in plans:
        by_hash = {run.hash: run for run in runs}
        found = store.records(experiment.id, set(by_hash))
        failed = store.failures(experiment.id, set(by_hash))
        if found or failed:
            ordered = [found[hash] for hash in by_hash if hash in found]
            lines = [f"{by_hash[hash].name}: {failed[hash]}" for hash in by_hash if hash in failed]
            return ordered, lines, len(runs)
    return [], [], len(plans[0]) if plans else 0
