"""A small project of one book, its command line, and a task that needs no TensorFlow."""

import contextlib
import functools
import gc
import io
import math
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from unittest import mock

import pytest

LEDGER = """\
id,chapter,section,kind,class,title,gold
A1-1,1,1.1,claim,trend,One is larger than two,
A1-2,1,1.1,claim,trend,The loss falls,
M1-1,1,1.1,model,exact,LeNet-5 has 60850 parameters,60850
"""

BOOK = """\
title: {zh: 手册, en: Manual}
author: A. Author, 2020
sections: {"1.1": {zh: 起源, en: Origins}}
"""

# A run logs its epochs, says where it is, and waits at the gate until the gate is open.
TOY = """\
import os, pathlib, time
from kerasref.harness.spec import Strict

RESULTS_VERSION = 1


class Config(Strict):
    value: float = 1.0
    epochs: int = 2
    gate: str = ""
    fail: str = ""


def run(config, context):
    for epoch in range(1, config.epochs + 1):
        context.log_epoch(epoch, {"loss": config.value / epoch})
        context.progress(epoch, config.epochs, "epochs")
    if config.gate:
        gate = pathlib.Path(config.gate)
        (gate / f"{config.value:g}-{context.seed}.{os.getpid()}").touch()
        while not (gate / "open").exists():
            time.sleep(0.02)
    if config.fail:
        raise ValueError(config.fail)
    return {"loss": config.value / config.epochs, "total": 10 * config.value + context.seed}
"""


def pytest_collection_finish():
    """Keep what the imports made out of every later garbage collection."""
    gc.freeze()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds=60):
    """The condition's value once it is true, or when time is over."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value


@pytest.fixture
def race():
    """Assert something of the lowest times of some calls.

    What else a machine does adds to a time and never takes from it, so another round comes closer
    to the truth: calls take turns until the condition holds or the rounds are over.
    """

    def run(condition, rounds=10, **contestants):
        best = dict.fromkeys(contestants, math.inf)
        for _ in range(rounds):
            for name, seconds in contestants.items():
                best[name] = min(best[name], seconds())
            if condition(**best):
                return
        raise AssertionError(f"after {rounds} rounds: {best}")

    return run


def hear_ctrl_c():
    """In a child: what is started in the background by a shell would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# Measures, so nothing else may run beside it: says what it got and when it ran.
ALONE = """\
import os, pathlib, time
from kerasref.harness.spec import Strict

RESULTS_VERSION = 1
EXCLUSIVE = True


class Config(Strict):
    value: float = 1.0
    gate: str = ""


def run(config, context):
    began = time.time()
    time.sleep(0.1)
    got = {"threads": context.threads, "compiled": float(context.compiled)}
    return got | {"began": began, "ended": time.time(), "pid": os.getpid()}
"""


class Project:
    """A project under `root`; experiments are called `manual/1.1/<name>`."""

    alive = staticmethod(alive)
    wait_until = staticmethod(wait_until)

    def __init__(self, root, environment, empty_store):
        self.root = root
        self.empty_store = empty_store
        self.gate = root / "gate"
        self.environment = environment
        self.processes = []
        book = root / "experiments" / "manual"
        (book / "1.1").mkdir(parents=True)
        self.gate.mkdir()
        (book / "ledger.csv").write_text(LEDGER, encoding="utf-8")
        (book / "book.yaml").write_text(BOOK, encoding="utf-8")

    def add(self, name, body, task="toy"):
        """Write an experiment; `body` is YAML from `base:` on. Returns its id."""
        head = (
            f"id: manual/1.1/{name}\n"
            f"title: Trial {name}\n"
            "source: {book: manual, section: '1.1', ledger: [A1-1]}\n"
            "question: Which?\n"
            f"task: {task}\n"
        )
        path = self.root / "experiments" / "manual" / "1.1" / f"{name}.yaml"
        path.write_text(head + textwrap.dedent(body), encoding="utf-8")
        return f"manual/1.1/{name}"

    @property
    def state(self):
        return self.root / ".kerasref"

    def copy_empty_store(self):
        """Spare the seconds in which MLflow creates its tables, unless there is a store."""
        file = self.state / "mlflow.db"
        if not file.exists():
            self.state.mkdir(exist_ok=True)
            shutil.copy(self.empty_store(), file)

    def start(self, *arguments, **environment):
        """`kerasref ARGUMENTS` as a process in a group of its own."""
        if arguments[0] == "run":
            self.copy_empty_store()
        process = subprocess.Popen(
            [sys.executable, "-m", "kerasref", *arguments],
            env=os.environ | self.environment | environment,
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=hear_ctrl_c,
        )
        self.processes.append(process)
        return process

    def run(self, *arguments, status=0, **environment):
        """What `kerasref ARGUMENTS`, in this process, prints to standard output and to error."""
        from kerasref import cli

        if arguments[0] == "run":
            self.copy_empty_store()
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment | environment),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            returned = cli.main(list(arguments))
        out, err = out.getvalue(), err.getvalue()
        assert returned == status, out + err
        assert "Traceback" not in err
        return out, err

    def waiting(self, count=1):
        """The worker process of every run at the gate, once there are `count`: name -> pid."""

        def found():
            here = [file.name.rpartition(".") for file in self.gate.glob("*.*")]
            return {name: int(pid) for name, _, pid in here if alive(int(pid))}

        wait_until(lambda: len(found()) >= count)
        assert len(found()) == count
        return found()

    def open(self):
        (self.gate / "open").touch()

    def runs(self, name, uri=None):
        """MLflow's child runs of an experiment, oldest first."""
        from kerasref.harness.tracking import Store

        client = Store(self.state, uri).client
        experiment = client.get_experiment_by_name(f"manual/1.1/{name}")
        runs = client.search_runs(
            [experiment.experiment_id],
            "tags.`kerasref.hash` != ''",
            order_by=["attributes.start_time ASC"],
        )
        return list(runs)

    def statuses(self, name, uri=None):
        """`variant-seed` -> statuses of its MLflow runs, oldest first."""
        found = {}
        for run in self.runs(name, uri):
            tags = run.data.tags
            key = f"{tags['kerasref.variant']}-{tags['kerasref.seed']}"
            found.setdefault(key, []).append(run.info.status)
        return found

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="session")
def toy_tasks(tmp_path_factory):
    """A directory with two tasks, and what makes Python find them among kerasref's."""
    directory = tmp_path_factory.mktemp("tasks")
    (directory / "toy.py").write_text(TOY)
    (directory / "alone.py").write_text(ALONE)
    code = f"import kerasref.tasks\nkerasref.tasks.__path__.append({str(directory)!r})\n"
    (directory / "sitecustomize.py").write_text(code)
    return directory


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A SQLite file with MLflow's tables and nothing in them."""
    from kerasref.harness.tracking import Store

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    _ = Store(file.parent, f"sqlite:///{file}").client  # creates the tables
    return file


@pytest.fixture
def project(tmp_path, toy_tasks, request, monkeypatch):
    """An empty project; `kerasref` in this process uses it too."""
    import kerasref.tasks

    monkeypatch.setattr(kerasref.tasks, "__path__", [*kerasref.tasks.__path__, str(toy_tasks)])
    monkeypatch.setenv("KERASREF_HOME", str(tmp_path / "project"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    environment = {
        "KERASREF_HOME": str(tmp_path / "project"),
        "PYTHONPATH": str(toy_tasks),
        "MLFLOW_TRACKING_URI": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    # Asked for when a test first needs it: most tests of the command line need no store.
    empty_store = functools.partial(request.getfixturevalue, "empty_store")
    project = Project(tmp_path / "project", environment, empty_store)
    yield project
    project.close()
