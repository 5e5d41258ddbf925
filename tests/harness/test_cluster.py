"""`kerasref run --cluster`: a real Dask scheduler and two workers on loopback."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the extra `cluster`"
)


@pytest.fixture
def start(project):
    """Starts a part of a Dask cluster that knows the scheduler by a file."""
    file = project.root / "scheduler.json"

    def start(part, *arguments):
        module = f"distributed.cli.dask_{part}"
        command = [sys.executable, "-m", module, "--scheduler-file", str(file), "--no-dashboard"]
        process = subprocess.Popen(
            [*command, *arguments],
            env=os.environ | project.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        project.processes.append(process)
        return process

    start.file = file
    return start


@pytest.fixture
def address(project, start):
    start("scheduler", "--host", "127.0.0.1", "--port", "0")

    def known():
        try:
            return json.loads(start.file.read_text())["address"]
        except (FileNotFoundError, ValueError):
            return None

    return project.wait_until(known)


def test_every_run_finishes_once_though_a_worker_dies(project, start, address):
    began = time.monotonic()
    id = project.add(
        "sweep",
        f"base: {{gate: {project.gate}, seeds: 2}}\n"
        "variants: {a: {value: 1}, b: {value: 2}, c: {value: 3}}",
    )
    for _ in range(2):
        start("worker", "--no-nanny", "--nthreads", "2", "--host", "127.0.0.1")
    process = project.start("run", id, "--cluster", address)
    waiting = project.waiting(2)  # one run for each process, whatever its threads
    assert len(set(waiting.values())) == 2
    lost, pid = sorted(waiting.items())[0]
    os.kill(pid, signal.SIGKILL)
    project.open()
    _, err = process.communicate(timeout=50)
    assert process.returncode == 0, err
    assert "6 finished" in err
    statuses = project.statuses("sweep")
    assert {key: found.count("FINISHED") for key, found in statuses.items()} == dict.fromkeys(
        ["a-0", "a-1", "b-0", "b-1", "c-0", "c-1"], 1
    )
    value, seed = lost.split("-")
    assert statuses[f"{'abc'[int(value) - 1]}-{seed}"] == ["KILLED", "FINISHED"]
    assert time.monotonic() - began < 60


def test_no_scheduler(project):
    id = project.add("trial", "variants: {a: {}}")
    _, err = project.run("run", id, "--cluster", "tcp://127.0.0.1:9", status=2)
    assert err.startswith("kerasref: no Dask scheduler at tcp://127.0.0.1:9: ")
    assert len(err.splitlines()) == 1
