"""Runs in MLflow: concurrent writers, interrupted and failed runs, stores elsewhere."""

import math
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from kerasref.harness.errors import KerasrefError
from kerasref.harness.plan import Run
from kerasref.harness.tracking import Store

EXPERIMENT = "manual/1.1/trial"


def make_run(variant="a", seed=0, **config):
    return Run(EXPERIMENT, variant, seed, "laptop", "toy", config, ledger=("A1-1", "A1-2"))


@pytest.fixture
def store(project):
    project.copy_empty_store()
    return Store(project.state)


def perform(store, run, epochs=2, **final):
    """A whole run; returns its log."""
    parent = store.begin_invocation(EXPERIMENT, "Trial", {"name": "test"})
    log = store.begin(run, parent, {"commit": "c0ffee"})
    for epoch in range(1, epochs + 1):
        log.epoch(epoch, {"loss": 1 / epoch})
    log.finish({"loss": 1 / epochs, **final})
    store.end_invocation(parent, failed=False)
    return log


WRITER = """
import sys
from pathlib import Path
from kerasref.harness.plan import Run
from kerasref.harness.tracking import Store

number, state = int(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
store = Store(state)
parent = store.begin_invocation("manual/1.1/trial", "Trial", {"name": str(number)})
run = Run("manual/1.1/trial", "a", number, "laptop", "toy", {})
log = store.begin(run, parent, {})
for epoch in range(1, 16):
    log.epoch(epoch, {"loss": number + epoch / 100, "other": -epoch})
log.finish({"final": number})
"""


def start_writers(project, count):
    """Processes that open a store which does not exist yet, all at the same moment."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number), str(project.state)],
            env=os.environ | project.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    project.processes += writers
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    return writers


def test_four_writers_at_once_lose_no_metric(project, store):
    writers = start_writers(project, 4)
    for writer in writers:
        _, err = writer.communicate("go\n", timeout=60)
        assert writer.returncode == 0, err
    runs = {int(run.data.tags["kerasref.seed"]): run for run in project.runs("trial")}
    assert sorted(runs) == [0, 1, 2, 3]
    for number, run in runs.items():
        assert run.info.status == "FINISHED"
        points = store.client.get_metric_history(run.info.run_id, "loss")
        assert [(p.step, p.value) for p in points] == [
            (epoch, number + epoch / 100) for epoch in range(1, 16)
        ]
        assert len(store.client.get_metric_history(run.info.run_id, "other")) == 15
        assert run.data.metrics["final"] == number
    assert len(store.client.search_experiments(filter_string=f"name = '{EXPERIMENT}'")) == 1


def test_a_record_says_what_the_run_said(store):
    run = make_run(value=0.1 + 0.2)
    perform(store, run, epochs=3, total=1e-300, third=1 / 3, nothing=math.nan)
    (record,) = store.records(EXPERIMENT, {run.hash, "other"}).values()
    assert (record.variant, record.seed, record.profile) == ("a", 0, "laptop")
    assert record.hash == run.hash
    assert record.history == {"loss": (1.0, 1 / 2, 1 / 3)}
    assert record.metrics.pop("nothing") != 0
    assert record.metrics == {"loss": 1 / 3, "total": 1e-300, "third": 1 / 3}
    expected = {"book": "manual", "section": "1.1", "ledger": "A1-1 A1-2", "commit": "c0ffee"}
    assert expected.items() <= record.tags.items()
    assert store.finished_hashes(EXPERIMENT) == {run.hash}
    assert store.is_finished(run)
    assert not store.is_finished(make_run(value=0.3))


def test_what_mlflow_shows(project, store):
    run = make_run(value=2.5)
    perform(store, run)
    (shown,) = project.runs("trial")
    assert shown.data.params == {"value": "2.5", "epochs": "2", "gate": "", "fail": ""}
    parent = store.client.get_run(shown.data.tags["mlflow.parentRunId"])
    assert parent.info.status == "FINISHED"
    path = store.client.download_artifacts(shown.info.run_id, "config.yaml")
    with open(path, encoding="utf-8") as file:
        assert file.read() == run.full_yaml()


def test_of_two_finished_runs_the_later_counts(store):
    run = make_run()
    perform(store, run, total=1)
    perform(store, run, total=2)
    (record,) = store.records(EXPERIMENT, {run.hash}).values()
    assert record.metrics["total"] == 2


def test_an_interrupted_run_is_marked_when_its_successor_starts(project, store):
    run, other = make_run(), make_run("b", value=2)
    parent = store.begin_invocation(EXPERIMENT, "Trial", {})
    store.begin(other, parent, {})
    store.begin(run, parent, {}).epoch(1, {"loss": 7.0})
    assert store.records(EXPERIMENT, {run.hash}) == {}
    perform(store, run, epochs=3)
    assert project.statuses("trial") == {"b-0": ["RUNNING"], "a-0": ["KILLED", "FINISHED"]}
    (record,) = store.records(EXPERIMENT, {run.hash}).values()
    assert record.history == {"loss": (1.0, 1 / 2, 1 / 3)}
    finished = project.runs("trial")[-1]
    assert len(store.client.get_metric_history(finished.info.run_id, "loss")) == 3


def test_failures_are_known_until_the_run_finishes(project, store):
    run = make_run()
    parent = store.begin_invocation(EXPERIMENT, "Trial", {})
    for message in ("first", "second " + "x" * 100_000):
        store.begin(run, parent, {}).fail(message, "Traceback: details")
    found = store.failures(EXPERIMENT, {run.hash})
    assert list(found) == [run.hash]
    assert found[run.hash].startswith("second xxx")
    path = store.client.download_artifacts(project.runs("trial")[0].info.run_id, "error.txt")
    with open(path, encoding="utf-8") as file:
        assert file.read() == "Traceback: details"
    assert not store.is_finished(run)
    perform(store, run)
    assert store.failures(EXPERIMENT, {run.hash}) == {}
    assert store.failures("manual/1.1/unknown", {run.hash}) == {}


def test_more_metrics_and_parameters_than_one_request_may_hold(project, store):
    """MLflow takes 1000 metrics and 100 parameters at a time."""
    arguments = {f"argument_{n}": n for n in range(150)}
    run = Run(EXPERIMENT, "a", 0, "laptop", "structure", {"model": {"builder": "B", **arguments}})
    many = {f"layer_{n}.params": float(n) for n in range(2500)}
    perform(store, run, **many)
    (record,) = store.records(EXPERIMENT, {run.hash}).values()
    assert many.items() <= record.metrics.items()
    assert len(project.runs("trial")[0].data.params) == 151


def test_a_deleted_experiment_is_explained(store):
    perform(store, make_run())
    store.client.delete_experiment(store.client.get_experiment_by_name(EXPERIMENT).experiment_id)
    with pytest.raises(KerasrefError, match="is deleted; restore it with `mlflow experiments res"):
        Store(store.state).begin_invocation(EXPERIMENT, "Trial", {})


@pytest.mark.parametrize("name", ["with space", "100%20", "ünï"])
def test_odd_paths(project, name):
    store = Store(project.root / name / ".kerasref")
    assert not store.exists()
    perform(store, make_run())
    assert store.exists()
    assert (project.root / name / ".kerasref" / "mlflow.db").exists()
    assert (project.root / name / ".kerasref" / "artifacts" / EXPERIMENT).is_dir()


def test_a_store_elsewhere(project, monkeypatch):
    """Two projects with one SQLite file share its lock, wherever they are."""
    uri = f"sqlite:///{project.root}/elsewhere/runs.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    store = Store(project.state)
    assert not store.exists()
    perform(store, make_run())
    assert store.exists()
    assert not (project.state / "mlflow.db").exists()
    other = Store(project.root / "other" / ".kerasref")
    assert other.is_finished(make_run())
    assert (project.root / "elsewhere" / "runs.db.lock").exists()


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",
        "nonsense://x",
        "sqlite:////dev/null/runs.db",
        "postgresql://127.0.0.1:9/x",
    ],
)
def test_a_store_that_is_not_there_is_said_in_one_line(project, uri):
    began = time.monotonic()
    with pytest.raises(KerasrefError, match=r"^MLflow store ") as caught:
        _ = Store(project.state, uri).client
    assert len(str(caught.value).splitlines()) == 1
    assert time.monotonic() - began < 20


def test_an_mlflow_server(project, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    command = ["-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    with (project.root / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, *command],
            cwd=project.root,
            env=os.environ
            | {"MLFLOW_TRACKING_URI": "", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    project.processes.append(server)

    def up():
        assert server.poll() is None, (project.root / "server.log").read_text()
        try:
            return urllib.request.urlopen(f"{uri}/health", timeout=1).status == 200
        except OSError:
            return False

    assert project.wait_until(up, 60)
    store = Store(project.state, uri)
    run = make_run()
    parent = store.begin_invocation(EXPERIMENT, "Trial", {"name": "killed"})
    store.begin(run, parent, {}).epoch(1, {"loss": 3.0})
    perform(store, run, total=5)
    assert project.statuses("trial", uri) == {"a-0": ["KILLED", "FINISHED"]}
    (record,) = store.records(EXPERIMENT, {run.hash}).values()
    assert record.history == {"loss": (1.0, 0.5)}
    assert record.metrics == {"loss": 0.5, "total": 5.0}
    assert store.exists()
    assert not (project.state / "mlflow.db").exists()
    server.terminate()
