"""Which runs a report speaks of: those of the store, else the published record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kerasref.harness import agreement, plan, published
from kerasref.harness.library import Library
from kerasref.harness.plan import Options
from kerasref.harness.records import Record
from kerasref.harness.spec import DEFAULT_PROFILE, Experiment

if TYPE_CHECKING:
    from kerasref.harness.tracking import Store


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
    """Collect the runs of every experiment at one profile, and those its claims ask for besides.

    Args:
        origin: `published` for the published record alone; `store` to prefer the store where it
            has every planned run, finished or failed. Where it has only some, the published
            record is kept if there is one.
    """
    collected = Collected()
    record = published.read_all(library.root / "reports") if profile == DEFAULT_PROFILE else {}
    store = None
    if origin == "store":
        from kerasref.harness.tracking import Store

        store = Store(library.state)
        store = store if store.exists() else None
    for id in library.paths:
        experiment = library.experiment(id)
        before = collected.records[id] = _current(experiment, profile, record.get(id, []))
        if stale := len(record.get(id, [])) - len(before):
            collected.notes[id] = f"{id}: {stale} published runs are of other settings; left out"
        if store is None:
            continue
        found: list[Record] = []
        failed: list[str] = []
        partial = ""
        for wanted in _profiles(experiment, profile):
            some, lost, planned = _from_store(store, experiment, wanted)
            found, failed = found + some, failed + lost
            if wanted == profile and len(some) + len(lost) < planned:
                partial = f"{id}: the store has {len(some)} of {planned} runs"
        if not found and not failed:
            continue
        if partial and before:
            collected.notes[id] = f"{partial}; the published ones are shown"
            continue
        collected.records[id], collected.failed[id] = found, failed
        collected.fresh.add(id)
        notes = [partial, f"{id}: {agreement.compare(found, before).text}" if before else ""]
        collected.notes[id] = "\n".join(filter(None, notes))
    return collected


def _current(experiment: Experiment, profile: str, records: list[Record]) -> list[Record]:
    """Those published runs that the experiment, as it stands in its file, would still make."""
    if not records:
        return []
    hashes = {
        run.hash
        for wanted in _profiles(experiment, profile)
        for runs in plan.alternatives(experiment, Options(wanted))
        for run in runs
    }
    return [record for record in records if record.hash in hashes]


def _profiles(experiment: Experiment, profile: str) -> list[str]:
    """The profile itself and those that single claims, or the whole experiment, are about."""
    needed = [experiment.needs, *(claim.profile for claim in experiment.claims)]
    return list(dict.fromkeys([profile, *(name for name in needed if name)]))


def _from_store(
    store: Store, experiment: Experiment, profile: str
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
