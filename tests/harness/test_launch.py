"""The local launcher, with workers that need no TensorFlow."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from kerasref.harness import launch
from kerasref.harness.errors import KerasrefError


def worker(code):
    prelude = (
        "import json, os, pathlib, signal, sys, time\n"
        "from kerasref.harness import launch\n"
        "task = json.loads(os.environ['TF_CONFIG'])\n"
        "index = task['task']['index']\n"
    )
    return [sys.executable, "-c", prelude + code]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def pids(directory, count):
    """The workers' process ids, once all have written theirs."""
    files = [directory / str(index) for index in range(count)]
    assert wait_until(lambda: all(f.exists() and f.read_text() for f in files))
    return [int(file.read_text()) for file in files]


def sleeper(directory):
    path = str(directory)
    return worker(
        "launch.watch_parent()\n"
        f"pathlib.Path({path!r}, str(index)).write_text(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )


def test_workers_form_a_cluster(tmp_path):
    code = f"pathlib.Path({str(tmp_path)!r}, str(index)).write_text(json.dumps(task))"
    assert launch.launch(3, worker(code), timeout=30) == 0
    tasks = [json.loads((tmp_path / str(index)).read_text()) for index in range(3)]
    addresses = tasks[0]["cluster"]["worker"]
    assert len(set(addresses)) == 3
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    for index, task in enumerate(tasks):
        assert task == {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }


def test_output_is_worker_0s_unless_a_worker_fails(capfd):
    code = "print('I am', index)"
    assert launch.launch(2, worker(code), timeout=30) == 0
    assert capfd.readouterr() == ("I am 0\n", "")
    assert launch.launch(2, worker(code + "; time.sleep(0.5); sys.exit(index * 3)")) == 1
    out, err = capfd.readouterr()
    assert out == "I am 0\n"
    assert err == (
        "[worker 1] I am 1\n"
        "kerasref launch: worker 1 exited with status 3; running the same command again resumes\n"
    )


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_the_others(victim, tmp_path, capfd):
    code = (
        f"pathlib.Path({str(tmp_path)!r}, str(index)).write_text(str(os.getpid()))\n"
        f"if index == {victim}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    assert launch.launch(3, worker(code)) == 1
    assert time.monotonic() - began < 20
    assert f"worker {victim} was killed by SIGKILL" in capfd.readouterr().err
    for file in tmp_path.iterdir():
        assert not alive(int(file.read_text()))


def test_a_worker_that_ignores_sigterm_is_killed(monkeypatch):
    monkeypatch.setattr(launch, "_GRACE", 0.5)
    code = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if index: time.sleep(1); sys.exit(1)\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    assert launch.launch(2, worker(code)) == 1
    assert time.monotonic() - began < 20


def test_timeout(capfd):
    assert launch.launch(2, worker("time.sleep(60)"), timeout=0.5) == 1
    assert "not finished after 0.5 s" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_do_not_outlive_the_launcher(number, tmp_path):
    """Of SIGKILL the launcher knows nothing: the workers watch it (`watch_parent`)."""
    code = f"from kerasref.harness.launch import launch; launch(2, {sleeper(tmp_path)!r})"
    launcher = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        text=True,
        # what a shell starts in the background would ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        workers = pids(tmp_path, 2)
        assert all(alive(pid) for pid in workers)
        launcher.send_signal(number)
        _, err = launcher.communicate(timeout=20)
        assert wait_until(lambda: not any(alive(pid) for pid in workers))
    finally:
        launcher.kill()
    assert ("kerasref launch: interrupted" in err) == (number != signal.SIGKILL)


def test_watch_parent_leaves_other_processes_alone():
    code = "from kerasref.harness import launch; import time; launch.watch_parent(); time.sleep(1)"
    environment = {k: v for k, v in os.environ.items() if k != launch.LAUNCHER_PID}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


@pytest.mark.parametrize(("workers", "command"), [(0, ["true"]), (2, [])])
def test_wrong_arguments(workers, command):
    with pytest.raises(KerasrefError, match=r"expected at least 1|no command"):
        launch.launch(workers, command)
