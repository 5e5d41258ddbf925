"""Training repeated, distributed, killed and resumed: each in processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasref.harness import launch

SCRIPT = Path(__file__).with_name("loop_run.py")
KILLED = -9
EXACT = ("plateau", "schedule")
EQUAL = ("plain", "batch_norm", "clip")

# In one test process, which makes what the tests compare with once.
pytestmark = pytest.mark.xdist_group("loop_processes")


def command(strategy, runs, output, **more):
    output.mkdir(exist_ok=True)
    arguments = {"strategy": strategy, "runs": runs, "output": str(output), **more}
    return [sys.executable, str(SCRIPT), json.dumps(arguments)]


def process(*args, **more):
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("TF_CONFIG", None)
    return subprocess.run(command(*args, **more), env=environment, timeout=120).returncode


def results(output, runs):
    found = {run: json.loads((output / f"{run}.json").read_text()) for run in runs}
    for result in found.values():
        for row in result["history"]:
            assert row.pop("seconds") > 0
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("loop")


@pytest.fixture(scope="module")
def one(directory):
    runs = (*EQUAL, *EXACT)
    assert process("one", runs, directory / "one") == 0
    return results(directory / "one", runs)


@pytest.fixture(scope="module")
def two_workers(directory):
    runs = (*EQUAL, "plateau")
    assert launch.launch(2, command("multiworker", runs, directory / "workers"), timeout=120) == 0
    return results(directory / "workers", runs)


def test_training_learns(one):
    """The other tests compare runs: they would pass if nothing were trained."""
    for run, result in one.items():
        assert len(result["history"]) == 5
        assert result["history"][-1]["test_accuracy"] > 0.7, run
        assert result["history"][-1]["train_loss"] < result["history"][0]["train_loss"] / 1.5


def test_same_seed_in_another_process_gives_the_same_bits(one, directory):
    assert process("one", tuple(one), directory / "again") == 0
    assert results(directory / "again", one) == one


def test_killed_run_resumes_to_the_same_bits(one, directory):
    """Dropout, augmentation, batch normalisation, schedules and the callbacks' counters."""
    output = directory / "killed"
    assert process("one", EXACT, output, kill={"plateau": 40}) == KILLED
    assert not (output / "plateau.json").exists()
    assert process("one", EXACT, output, kill={"schedule": 57}) == KILLED
    assert process("one", EXACT, output) == 0
    resumed = results(output, EXACT)
    assert resumed == {run: one[run] for run in EXACT}
    assert resumed["plateau"]["rate"] == pytest.approx(0.05 / 4)  # halved twice, once before


@pytest.mark.parametrize("devices", ["2 x CPU, mirrored", "2 workers x 1 CPU"])
def test_losses_do_not_depend_on_the_strategy(one, devices, directory, request):
    if "workers" in devices:
        other = request.getfixturevalue("two_workers")
    else:
        assert process("mirrored:2", EQUAL, directory / "mirrored") == 0
        other = results(directory / "mirrored", EQUAL)
    for run in EQUAL:
        assert one[run]["devices"] == "1 x CPU"
        assert other[run]["devices"] == devices
        for name in ("train_loss", "test_loss"):
            losses, expected = ([row[name] for row in r[run]["history"]] for r in (other, one))
            np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-5, err_msg=run)


def test_killed_worker_ends_the_other_and_both_resume_to_the_same_bits(
    two_workers, directory, capfd
):
    output = directory / "workers killed"
    killing = {"kill": {"plateau": 40}, "kill_worker": 1}
    dying = command("multiworker", ("plateau",), output, **killing)
    assert launch.launch(2, dying, timeout=120) == 1
    assert "worker 1 was killed by SIGKILL; running the same command" in capfd.readouterr().err
    assert not (output / "plateau.json").exists()
    assert launch.launch(2, command("multiworker", ("plateau",), output), timeout=120) == 0
    assert results(output, ("plateau",)) == {"plateau": two_workers["plateau"]}
