"""Runs in MLflow: one MLflow experiment per kerasref experiment, a parent run per invocation,
child runs per variant and seed.

Only an MLflow run that finished counts. An interrupted run is marked KILLED when its successor
starts; the successor logs the whole history, so that every finished run is complete by itself.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from kerasref.harness.errors import KerasrefError
from kerasref.harness.library import split_section
from kerasref.harness.locks import lock
from kerasref.harness.plan import Run
from kerasref.harness.records import Record

PREFIX = "kerasref."
_HIDDEN_METRICS = ("system/",)
_LONGEST_ERROR = 1000  # characters


def default_uri(state: Path) -> str:
    """`MLFLOW_TRACKING_URI`, else a SQLite file in the project."""
    file = (state / "mlflow.db").resolve()
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{quote(str(file))}"


class Store:
    """The MLflow store at one tracking URI.

    Args:
        state: the project's `.kerasref` directory, for locks and, with a SQLite store, artifacts.
        uri: any MLflow tracking URI.
    """

    def __init__(self, state: Path, uri: str | None = None):
        self.state, self.uri = state, uri or default_uri(state)
        self._client = None
        self._experiment_ids: dict[str, str | None] = {}

    @property
    def _database(self) -> Path | None:
        """The SQLite file, if the store is one."""
        if not self.uri.startswith("sqlite:///"):
            return None
        return Path(unquote(self.uri.removeprefix("sqlite:///").partition("?")[0]))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """SQLite allows one writer: queue here rather than fail with `database is locked`."""
        _ = self.client  # connects under the lock itself
        with self._locked():
            yield

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        if self._database is None:
            return contextlib.nullcontext()
        return lock(self._database.with_name(f"{self._database.name}.lock"))

    @property
    def client(self):
        """The MlflowClient, connected on first use."""
        if self._client is None:
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            from mlflow import MlflowClient

            logging.getLogger("mlflow").setLevel(logging.WARNING)

            try:
                with self._locked(), _retries(1):  # the first connection creates the tables
                    client = MlflowClient(tracking_uri=self.uri)
                    client.search_experiments(max_results=1)
            except Exception as error:
                reason = str(error).strip().splitlines()[0]
                raise KerasrefError(f"MLflow store {self.uri}: {reason}") from None
            self._client = client
        return self._client

    def exists(self) -> bool:
        """False when the default store has never been written to."""
        return self._database is None or self._database.exists()

    # Reading

    def _experiment_id(self, name: str) -> str | None:
        if self._experiment_ids.get(name) is None:
            found = self.client.get_experiment_by_name(name)
            if found and found.lifecycle_stage == "deleted":
                raise KerasrefError(
                    f"MLflow experiment {name!r} is deleted; restore it with "
                    f"`mlflow experiments restore -x {found.experiment_id}`"
                )
            self._experiment_ids[name] = found.experiment_id if found else None
        return self._experiment_ids[name]

    def _search(self, name: str, query: str, order_by: list[str] | None = None) -> Iterator[Any]:
        if (id := self._experiment_id(name)) is None:
            return
        token = None
        while True:
            page = self.client.search_runs(
                [id], query, order_by=order_by, page_token=token, max_results=1000
            )
            yield from page
            if not (token := page.token):
                return

    def finished_hashes(self, experiment: str) -> set[str]:
        """Hashes of the runs of an experiment that finished."""
        runs = self._search(experiment, "attributes.status = 'FINISHED'")
        return {run.data.tags[f"{PREFIX}hash"] for run in runs if f"{PREFIX}hash" in run.data.tags}

    def is_finished(self, run: Run) -> bool:
        query = f"attributes.status = 'FINISHED' and tags.`{PREFIX}hash` = '{run.hash}'"
        return next(self._search(run.experiment, query), None) is not None

    def records(self, experiment: str, hashes: set[str]) -> dict[str, Record]:
        """Finished runs by hash; the latest where a hash finished more than once."""
        found: dict[str, Any] = {}
        for run in self._search(
            experiment, "attributes.status = 'FINISHED'", ["attributes.end_time ASC"]
        ):
            hash = run.data.tags.get(f"{PREFIX}hash")
            if hash in hashes:
                found[hash] = run
        return {hash: self._record(experiment, run) for hash, run in found.items()}

    def failures(self, experiment: str, hashes: set[str]) -> dict[str, str]:
        """Message of the latest FAILED run by hash, where none has finished since."""
        finished = self.finished_hashes(experiment)
        found = {}
        for run in self._search(
            experiment, "attributes.status = 'FAILED'", ["attributes.end_time ASC"]
        ):
            hash = run.data.tags.get(f"{PREFIX}hash")
            if hash in hashes and hash not in finished:
                found[hash] = run.data.tags.get(f"{PREFIX}error", "")
        return found

    def _record(self, experiment: str, run: Any) -> Record:
        tags = {
            key.removeprefix(PREFIX): value
            for key, value in run.data.tags.items()
            if key.startswith(PREFIX)
        }
        epochs = int(tags.pop("epochs", 0))
        history = {}
        for key in tags.pop("per_epoch", "").split():
            points = {p.step: p.value for p in self.client.get_metric_history(run.info.run_id, key)}
            history[key] = tuple(points.get(epoch, float("nan")) for epoch in range(1, epochs + 1))
        return Record(
            experiment=experiment,
            variant=tags.pop("variant"),
            seed=int(tags.pop("seed")),
            profile=tags.pop("profile"),
            hash=tags.pop("hash"),
            metrics={
                key: value
                for key, value in sorted(run.data.metrics.items())
                if not key.startswith(_HIDDEN_METRICS)
            },
            history=history,
            tags=tags,
        )

    # Writing

    def begin_invocation(self, experiment: str, title: str, tags: dict[str, str]) -> str:
        """Create the experiment if need be and the parent run of this invocation."""
        with self._writing():
            id = self._experiment_id(experiment) or self._create_experiment(experiment, title)
            run = self.client.create_run(id, run_name=tags.get("name"), tags=_prefixed(tags))
        return run.info.run_id

    def _create_experiment(self, name: str, title: str) -> str:
        from mlflow.exceptions import MlflowException

        place = (self.state / "artifacts" / name).resolve().as_uri()
        try:
            return self.client.create_experiment(
                name,
                artifact_location=place if self._database else None,
                tags={"mlflow.note.content": title},
            )
        except MlflowException:  # on a server, another client may have been faster
            if (id := self._experiment_id(name)) is None:
                raise
            return id

    def end_invocation(self, run_id: str, failed: bool) -> None:
        with self._writing():
            self.client.set_terminated(run_id, "FAILED" if failed else "FINISHED")

    def begin(self, run: Run, parent: str, tags: dict[str, str]) -> RunLog:
        """Start the MLflow run of `run`; marks what an earlier, killed try left behind."""
        stale = self._search(
            run.experiment,
            f"attributes.status = 'RUNNING' and tags.`{PREFIX}hash` = '{run.hash}' "
            f"and tags.`{PREFIX}host` = '{socket.gethostname()}'",
        )
        book, section = split_section(run.experiment.rpartition("/")[0])
        mine = {
            "hash": run.hash,
            "variant": run.variant,
            "seed": str(run.seed),
            "profile": run.profile,
            "book": book,
            "section": section,
            "ledger": " ".join(run.ledger),
            "strategy": run.strategy,
            "host": socket.gethostname(),
            **tags,
        }
        from mlflow.entities import Param
        from mlflow.utils.validation import MAX_PARAMS_TAGS_PER_BATCH

        params = [
            Param(key, str(value)) for key, value in _flat(run.settings.model_dump(mode="json"))
        ]
        with self._writing():
            for old in stale:
                self.client.set_terminated(old.info.run_id, "KILLED")
            created = self.client.create_run(
                self._experiment_id(run.experiment),
                run_name=run.name,
                tags={"mlflow.parentRunId": parent, **_prefixed(mine)},
            )
            for some in _batches(params, MAX_PARAMS_TAGS_PER_BATCH):
                self.client.log_batch(created.info.run_id, params=some)
        log = RunLog(self, created.info.run_id)
        log.text(run.full_yaml(), "config.yaml")
        return log


class RunLog:
    """Writes one MLflow run."""

    def __init__(self, store: Store, run_id: str):
        self._store, self._run_id = store, run_id
        self._tags: dict[str, str] = {}
        self._per_epoch: dict[str, None] = {}
        self._epochs = 0

    def tag(self, name: str, text: str) -> None:
        """Provenance; written when the run ends."""
        self._tags[name] = text

    def text(self, content: str, file: str) -> None:
        self._store.client.log_text(self._run_id, content, file)

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Metrics of one epoch; epochs count from 1."""
        self._per_epoch.update(dict.fromkeys(metrics))
        self._epochs = max(self._epochs, epoch)
        self._log(metrics, epoch)

    def finish(self, metrics: dict[str, float]) -> None:
        """Final metrics and status FINISHED; of a per-epoch metric the last value is final."""
        self._log({k: v for k, v in metrics.items() if k not in self._per_epoch}, self._epochs)
        self._tags |= {"epochs": str(self._epochs), "per_epoch": " ".join(self._per_epoch)}
        self._end("FINISHED")

    def fail(self, message: str, details: str = "") -> None:
        """Status FAILED with a one-line reason; details become the artifact `error.txt`."""
        self._tags["error"] = message[:_LONGEST_ERROR]
        if details:
            self.text(details, "error.txt")
        self._end("FAILED")

    def _end(self, status: str) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(key, value) for key, value in _prefixed(self._tags).items()]
        with self._store._writing():
            self._store.client.log_batch(self._run_id, tags=tags)
            self._store.client.set_terminated(self._run_id, status)

    def _log(self, metrics: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric
        from mlflow.utils.validation import MAX_METRICS_PER_BATCH

        now = int(time.time() * 1000)
        points = [Metric(key, float(value), now, step) for key, value in metrics.items()]
        with self._store._writing():
            for some in _batches(points, MAX_METRICS_PER_BATCH):
                self._store.client.log_batch(self._run_id, metrics=some)


def _batches(items: list, size: int) -> Iterator[list]:
    """MLflow limits what one request may log."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


@contextlib.contextmanager
def _retries(count: int) -> Iterator[None]:
    """By default MLflow tries for four minutes: good for a server that restarts, not for a typo."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ.get(name)
    os.environ[name] = str(count)
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _prefixed(tags: dict[str, str]) -> dict[str, str]:
    return {PREFIX + key: value for key, value in tags.items()}


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


# Provenance


def commit(root: Path) -> str:
    """Short hash of the checkout's commit; `-dirty` where code or experiments differ from it."""
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(
            root, "status", "--porcelain", "--", "kerasref", "experiments", "requirements.lock"
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("-dirty" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout.strip()


def versions() -> str:
    """Versions of what decides numbers."""
    packages = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "mlflow")
    named = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    return ", ".join([f"python {platform.python_version()}", *named])
