"""Which runs a report speaks of: the store's or the published ones."""

import pytest

from kerasref import data
from kerasref.harness import plan, published
from kerasref.harness.collect import collect
from kerasref.harness.library import Library
from kerasref.harness.plan import Options
from kerasref.harness.tracking import Store

ID = "manual/1.1/trial"
BODY = """\
base: {seeds: 2}
variants: {b: {value: 2}, a: {}}
profiles: {paper: {epochs: 9}}
"""


class Shelf:
    """One experiment, its store and its published record."""

    def __init__(self, project):
        self.project = project
        self.library = Library(project.root)
        self.store = Store(project.state)

    def planned(self, profile="laptop"):
        return plan.choose_available(self.library.experiment(ID), Options(profile))

    def perform(self, runs, fail=""):
        """Run and record as the runner would, without working."""
        self.project.copy_empty_store()
        parent = self.store.begin_invocation(ID, "Trial", {})
        for run in runs:
            log = self.store.begin(run, parent, {"data": run.data})
            if fail:
                log.fail(fail)
            else:
                log.finish({"total": float(run.seed)})

    def publish(self, **changes):
        """Publish what the store has, with other totals where `changes` says so."""
        records = collect(self.library, "laptop", "store").records[ID]
        for record in records:
            record.metrics.update(changes)
        published.write(self.library.root / "reports", ID, records)

    def collect(self, profile="laptop", origin="store"):
        return collect(self.library, profile, origin)


@pytest.fixture
def shelf(project):
    project.add("trial", BODY)
    return Shelf(project)


def names(records):
    return [(record.variant, record.seed) for record in records]


@pytest.mark.parametrize("origin", ["store", "published"])
def test_nothing_yet(shelf, origin):
    found = shelf.collect(origin=origin)
    assert found.records == {ID: []}
    assert (found.failed, found.fresh, found.notes) == ({}, set(), {})
    assert not shelf.store.exists()  # asking makes no store


def test_the_stores_runs_come_in_the_plans_order(shelf):
    shelf.perform(reversed(shelf.planned()))
    found = shelf.collect()
    assert names(found.records[ID]) == [("b", 0), ("b", 1), ("a", 0), ("a", 1)]
    assert found.fresh == {ID}
    assert found.notes == {ID: ""}
    assert shelf.collect(origin="published").records == {ID: []}


def test_a_part_of_the_runs_is_better_than_nothing(shelf):
    shelf.perform(shelf.planned()[:3])
    found = shelf.collect()
    assert names(found.records[ID]) == [("b", 0), ("b", 1), ("a", 0)]
    assert found.notes == {ID: f"{ID}: the store has 3 of 4 runs"}
    assert found.fresh == {ID}


def test_a_part_of_the_runs_is_no_better_than_all_published_ones(shelf, project):
    shelf.perform(shelf.planned())
    shelf.publish()
    shelf.store.client.delete_run(project.runs("trial")[0].info.run_id)
    found = shelf.collect()
    assert len(found.records[ID]) == 4
    assert found.fresh == set()
    assert found.notes == {ID: f"{ID}: the store has 3 of 4 runs; the published ones are shown"}


def test_new_runs_are_compared_with_the_published_ones(shelf):
    shelf.perform(shelf.planned())
    shelf.publish()
    assert shelf.collect().notes == {ID: f"{ID}: all 4 runs identical to the published ones"}
    shelf.publish(total=7.0)
    found = shelf.collect()
    assert "0 of 4 runs identical to published" in found.notes[ID]
    assert [record.metrics["total"] for record in found.records[ID]] == [0.0, 1.0, 0.0, 1.0]
    assert [r.metrics["total"] for r in shelf.collect(origin="published").records[ID]] == [7.0] * 4


def test_failed_runs_are_named_until_they_finish(shelf):
    runs = shelf.planned()
    shelf.perform(runs[:3])
    shelf.perform(runs[3:], fail="no luck")
    found = shelf.collect()
    assert names(found.records[ID]) == [("b", 0), ("b", 1), ("a", 0)]
    assert found.failed == {ID: ["a seed 1: no luck"]}
    assert found.notes == {ID: ""}  # every planned run has had its chance
    shelf.perform(runs[3:])
    assert shelf.collect().failed == {ID: []}


def test_runs_of_other_settings_are_not_these(shelf):
    experiment = shelf.library.experiment(ID)
    shelf.perform(plan.choose_available(experiment, Options(overrides=("epochs=3",))))
    shelf.perform(shelf.planned("paper"))
    assert shelf.collect().records == {ID: []}
    paper = shelf.collect("paper").records[ID]
    assert {record.profile for record in paper} == {"paper"}
    assert len(paper) == 4


def test_claims_at_full_scale_bring_their_runs(project):
    claims = "claims: [{id: A1-1, metric: total, of: a, at_least: 0, profile: paper}]\n"
    project.add("trial", BODY + claims)
    shelf = Shelf(project)
    shelf.perform([*shelf.planned(), *shelf.planned("paper")[:1]])
    found = shelf.collect()
    assert [record.profile for record in found.records[ID]] == ["laptop"] * 4 + ["paper"]
    assert found.notes == {ID: ""}


def test_runs_on_a_fallback_are_shown_until_there_are_better_ones(project, monkeypatch):
    project.add(
        "trial",
        """\
        base:
          model: {builder: LeNet5Keras}
          data: {source: mnist, fallback: digits}
          train: {epochs: 1}
        variants: {a: {}}
        """,
        "classify",
    )
    shelf = Shelf(project)
    monkeypatch.setattr(data, "is_available", lambda name: name == "digits")
    shelf.perform(shelf.planned())
    monkeypatch.setattr(data, "is_available", lambda name: True)
    assert [record.tags["data"] for record in shelf.collect().records[ID]] == ["digits"]
    shelf.perform(shelf.planned())
    assert [record.tags["data"] for record in shelf.collect().records[ID]] == ["mnist"]


def test_published_runs_of_other_settings_are_left_out(shelf, project):
    shelf.perform(shelf.planned())
    shelf.publish()
    project.add("trial", BODY.replace("value: 2", "value: 3"))
    changed = collect(Library(project.root), "laptop", "published")
    assert names(changed.records[ID]) == [("a", 0), ("a", 1)]
    assert "2 published runs are of other settings" in changed.notes[ID]
