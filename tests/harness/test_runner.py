"""`kerasref run`: warm workers, failures, kills, interruptions, two invocations at once."""

import os
import signal
import time

import pytest

from kerasref.harness import plan, runner
from kerasref.harness.library import Library
from kerasref.harness.plan import Options
from kerasref.harness.tracking import Store
from kerasref.harness.workers import Workers

GATED = """\
base: {gate: %s}
variants: {a: {value: 1}, b: {value: 2}, c: {value: 3}}
"""


@pytest.fixture
def gated(project):
    """Three runs that wait until the gate is open."""
    return project.add("gated", GATED % project.gate)


def pids(project):
    return {int(file.name.rpartition(".")[2]) for file in project.gate.glob("*.*")}


def all_gone(project):
    return project.wait_until(lambda: not any(map(project.alive, pids(project))), 10)


def error(run):
    return run.data.tags["kerasref.error"]


def test_one_warm_worker_does_all_runs_and_none_twice(project, gated):
    project.open()
    _, err = project.run("run", gated, "--jobs", "1", "--seeds", "2")
    assert "6 finished" in err
    assert len(pids(project)) == 1
    assert set(map(tuple, project.statuses("gated").values())) == {("FINISHED",)}

    _, err = project.run("run", "manual", "--seeds", "2")
    assert err == "6 runs have finished already\n"
    assert set(map(tuple, project.statuses("gated").values())) == {("FINISHED",)}

    project.run("run", gated, "--force")
    statuses = project.statuses("gated")
    assert [statuses[f"{v}-0"] for v in "abc"] == [["FINISHED", "FINISHED"]] * 3
    assert statuses["a-1"] == ["FINISHED"]


def test_exclusive_runs_come_last_one_at_a_time_in_new_processes_with_all_cores(project):
    measured = project.add("measured", "variants: {a: {value: 1}, b: {value: 2}}", task="alone")
    trained = project.add("trained", "variants: {a: {value: 1}, b: {value: 2}, c: {value: 3}}")
    _, err = project.run("run", measured, trained, "--jobs", "1")
    assert "5 finished" in err
    runs = sorted(project.runs("measured"), key=lambda run: run.data.metrics["began"])
    others = [run.info.end_time / 1000 for run in project.runs("trained")]
    assert max(others) <= runs[0].data.metrics["began"]
    assert runs[0].data.metrics["ended"] <= runs[1].data.metrics["began"]
    assert len({run.data.metrics["pid"] for run in runs}) == 2
    assert {run.data.metrics["threads"] for run in runs} == {runner.cores()}
    assert {run.data.metrics["compiled"] for run in runs} == {1}

    project.run("run", measured, "--profile", "smoke", "--force")
    smoke = project.runs("measured")[-1].data.metrics
    assert smoke["threads"] == 1
    assert smoke["compiled"] == 0


def test_a_failing_run_fails_only_itself(project):
    id = project.add(
        "trial", 'variants: {a: {}, bad: {fail: "no luck\\nsecond line"}, c: {value: 3}}'
    )
    _, err = project.run("run", id, "--jobs", "1", status=1)
    assert "2 finished, 1 failed" in err.replace("1 failed, 2 finished", "2 finished, 1 failed")
    assert f"failed: {id} bad seed 0: ValueError: no luck\n" in err
    assert "second line" not in err
    assert project.statuses("trial") == {
        "a-0": ["FINISHED"],
        "bad-0": ["FAILED"],
        "c-0": ["FINISHED"],
    }
    (failed,) = [run for run in project.runs("trial") if run.info.status == "FAILED"]
    assert error(failed) == "ValueError: no luck"
    details = Store(project.state).client.download_artifacts(failed.info.run_id, "error.txt")
    with open(details) as file:
        assert "raise ValueError(config.fail)" in file.read()

    _, err = project.run("run", id, status=1)
    assert "2 runs have finished already" in err
    assert project.statuses("trial")["bad-0"] == ["FAILED", "FAILED"]


def test_a_killed_worker_fails_only_its_run(project, gated):
    process = project.start("run", gated, "--jobs", "2")
    waiting = project.waiting(2)
    os.kill(waiting["1-0"], signal.SIGKILL)
    project.waiting(2)  # another worker has taken its place
    project.open()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"failed: {gated} a seed 0: WorkerDied: the worker process died" in err
    assert project.statuses("gated") == {
        "a-0": ["KILLED", "FAILED"],
        "b-0": ["FINISHED"],
        "c-0": ["FINISHED"],
    }
    assert all_gone(project)


def test_ctrl_c_keeps_what_has_finished_and_leaves_no_process(project):
    id = project.add(
        "trial", f"variants: {{a: {{}}, b: {{gate: {project.gate}, value: 2}}, c: {{value: 3}}}}"
    )
    process = project.start("run", id, "--jobs", "1")
    project.waiting(1)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert "kerasref: interrupted; run the same command again to continue\n" in err
    assert "Traceback" not in err
    assert all_gone(project)
    assert project.statuses("trial")["a-0"] == ["FINISHED"]

    project.open()
    project.run("run", id)
    assert project.statuses("trial") == {
        "a-0": ["FINISHED"],
        "b-0": ["KILLED", "FINISHED"],
        "c-0": ["FINISHED"],
    }


def test_kill_9_leaves_no_process_and_no_lock(project, gated):
    process = project.start("run", gated, "--jobs", "2")
    project.waiting(2)
    process.kill()  # only the parent
    process.communicate()
    assert all_gone(project)
    project.open()
    project.run("run", gated)
    assert project.statuses("gated") == {
        "a-0": ["KILLED", "FINISHED"],
        "b-0": ["KILLED", "FINISHED"],
        "c-0": ["FINISHED"],
    }


def test_two_invocations_at_once_do_every_run_once(project, gated):
    first = project.start("run", gated, "--jobs", "2")
    project.waiting(2)
    second = project.start("run", gated, "--jobs", "3")
    project.waiting(3)  # c; a and b are under way elsewhere
    project.open()
    for process in (first, second):
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert project.statuses("gated") == {f"{v}-0": ["FINISHED"] for v in "abc"}


def test_a_session_says_what_it_cannot_do(project):
    id = project.add("big", "needs: paper\nvariants: {a: {}}")
    _, err = project.run("run", id)
    assert err == f"{id}: needs profile paper\n"
    _, err = project.run("run", id, MLFLOW_TRACKING_URI="nonsense://x", status=2)
    assert err.startswith("kerasref: MLflow store nonsense://x: ") or "needs profile" in err
    small = project.add("small", "variants: {a: {}}")
    _, err = project.run("run", small, MLFLOW_TRACKING_URI="nonsense://x", status=2)
    assert err.startswith("kerasref: MLflow store nonsense://x: ")
    assert len(err.splitlines()) == 1


DIGITS = """\
base:
  model: {builder: LeNet5Keras, dropout: 0.2}
  data: {source: digits, train: 1024, test: 100, image_size: 28, batch_size: 8}
  train: {epochs: 12, optimizer: {name: SGD, learning_rate: 0.05, momentum: 0.9}}
variants:
  plain: {}
  diverging: {model.activation: relu, train.optimizer.learning_rate: 1e30}
profiles:
  smoke: {data.train: 64, train.epochs: 1}
"""


def numbers(project, id):
    """Final metrics and curves of the variant `plain`, timings apart."""
    store = Store(project.state)
    records = store.records(id, store.finished_hashes(id)).values()
    (record,) = [record for record in records if record.variant == "plain"]
    metrics = {k: v for k, v in record.metrics.items() if "seconds" not in k}
    return metrics, {k: v for k, v in record.history.items() if "seconds" not in k}


def test_training_survives_kill_9_bit_for_bit_and_a_nan_fails_its_run(project):
    id = project.add("digits", DIGITS, "classify")
    checkpoints = project.state / "checkpoints"
    process = project.start("run", id, "--jobs", "1")
    assert project.wait_until(lambda: list(checkpoints.glob("*.ckpt")), 60)
    os.killpg(process.pid, signal.SIGKILL)  # the power fails
    process.communicate()
    assert project.statuses("digits") == {"plain-0": ["RUNNING"]}

    _, err = project.run("run", id, "--jobs", "1", status=1)
    assert project.statuses("digits") == {
        "plain-0": ["KILLED", "FINISHED"],
        "diverging-0": ["FAILED"],
    }
    (failed,) = [run for run in project.runs("digits") if run.info.status == "FAILED"]
    assert error(failed).startswith("loss became ")
    assert "at epoch 1, step " in error(failed)
    assert f"failed: {id} diverging seed 0: {error(failed)}\n" in err
    assert not list(checkpoints.glob("*.tmp"))
    resumed = numbers(project, id)
    assert all(len(curve) == 12 for curve in resumed[1].values())

    project.run("run", id, "--jobs", "1", "--force", status=1)
    assert project.statuses("digits")["plain-0"] == ["KILLED", "FINISHED", "FINISHED"]
    assert numbers(project, id) == resumed


def test_what_only_keras_knows_is_found_before_anything_runs(project):
    body = DIGITS.replace("dropout: 0.2", "dropuot: 0.2")
    id = project.add("digits", body, "classify")
    _, err = project.run("run", id, status=2)
    assert err == (
        "kerasref: experiments/manual/1.1/digits.yaml:7: model.dropuot: LeNet5Keras has no "
        "argument 'dropuot'; did you mean 'dropout'?\n"
    )
    option = "train.optimizer={name: SDG}"
    id = project.add("digits", DIGITS, "classify")
    _, err = project.run("run", id, "--set", option, status=2)
    assert err == (
        f"kerasref: {id}: --set {option}: train.optimizer: keras.optimizers has no 'SDG'; "
        "did you mean 'SGD'?\n"
    )
    assert project.statuses("digits") == {}


def test_a_worker_that_checked_settings_runs_with_the_threads_of_the_others(project):
    id = project.add("digits", DIGITS, "classify")
    runs = plan.choose_available(Library(project.root).experiment(id), Options())
    threads = "__import__('tensorflow').config.threading.get_intra_op_parallelism_threads()"
    with Workers(1) as workers:
        assert workers.submit(runner.preflight, runs, 1).result(timeout=100) == []
        assert workers.submit(eval, threads).result(timeout=100) == 1


def test_mirrored_replicas_on_a_worker(project):
    id = project.add("digits", DIGITS.replace("  diverging", "  # "), "classify")
    project.run("run", id, "--profile", "smoke", "--strategy", "mirrored:2")
    (run,) = project.runs("digits")
    assert run.info.status == "FINISHED"
    assert run.data.tags["kerasref.device"] == "2 x CPU, mirrored"


def test_launched_workers_finish_a_run_once(project):
    id = project.add("digits", DIGITS.replace("  diverging", "  # "), "classify")
    launch = ["launch", "--workers", "2", "--", "run", id, "--profile", "smoke"]
    project.run(*launch)
    assert project.statuses("digits") == {"plain-0": ["FINISHED"]}
    (run,) = project.runs("digits")
    assert run.data.tags["kerasref.device"] == "2 workers x 1 CPU"
    assert run.data.tags["kerasref.strategy"] == "multiworker"
