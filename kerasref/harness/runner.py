"""Executes runs: on warm worker processes, on a Dask scheduler, or in lockstep with other hosts."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kerasref.harness import tracking
from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError, KerasrefError
from kerasref.harness.locks import lock
from kerasref.harness.plan import Run, task_module
from kerasref.harness.workers import send

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Job:
    """A run and all that a worker, maybe on another host, must know to execute and record it."""

    run: Run
    root: Path
    uri: str
    parent: str
    commit: str
    threads: int = 1
    force: bool = False

    @property
    def smoke(self) -> bool:
        return self.run.profile == "smoke"

    @property
    def exclusive(self) -> bool:
        """Whether the run needs the machine to itself; at smoke no time means anything."""
        return not self.smoke and getattr(task_module(self.run.task), "EXCLUSIVE", False)

    @property
    def state(self) -> Path:
        return self.root / ".kerasref"

    @property
    def checkpoint(self) -> Path:
        return self.state / "checkpoints" / f"{self.run.hash}.ckpt"


@dataclass(frozen=True)
class Outcome:
    """What became of a job; `message` says why it failed."""

    run: Run
    status: Literal["finished", "skipped", "failed"]
    seconds: float = 0.0
    message: str = ""


# A Dask worker may have several threads; Keras's seeds and sessions belong to the process.
_one_at_a_time = threading.Lock()

_stores: dict[tuple[Path, str], tracking.Store] = {}


def _store(job: Job) -> tracking.Store:
    key = (job.state, job.uri)
    if key not in _stores:
        _stores[key] = tracking.Store(*key)
    return _stores[key]


def execute(job: Job, agree: Callable[[bool], bool] = bool) -> Outcome:
    """Execute one run in this process and record it; skip it if it has finished meanwhile.

    A lock on the run's hash keeps two invocations from doing the same run at once; the second
    waits, then finds it finished. `agree` tells the other workers of a cluster whether to skip.
    """
    started = time.perf_counter()
    with _one_at_a_time, lock(job.state / "locks" / f"{job.run.hash}.lock"):
        store = _store(job)
        if job.force:
            job.checkpoint.unlink(missing_ok=True)
        if agree(not job.force and store.is_finished(job.run)):
            return Outcome(job.run, "skipped")
        log = store.begin(job.run, job.parent, _tags(job))
        message = _perform(job, log)
    return Outcome(
        job.run, "failed" if message else "finished", time.perf_counter() - started, message
    )


def _perform(job: Job, log: Any) -> str:
    """Run the task, record its end; returns the reason of a failure, or nothing."""
    started = time.perf_counter()
    try:
        metrics = task_module(job.run.task).run(job.run.settings, _recording_context(job, log))
        log.tag("wall_seconds", f"{time.perf_counter() - started:.2f}")
        log.tag("finished", datetime.now(UTC).isoformat(timespec="seconds"))
        log.finish(metrics)
    except Exception as error:
        message = _one_line(error)
        log.fail(message, traceback.format_exc())
        return message
    finally:
        send(("end", job.run.hash))
    job.checkpoint.unlink(missing_ok=True)
    return ""


def _context(job: Job, **recording: Any) -> Context:
    return Context(
        seed=job.run.seed,
        strategy=job.run.strategy,
        threads=job.threads,
        compiled=not job.smoke,  # the few steps of smoke take less time than compiling
        checkpoint=job.checkpoint,
        **recording,
    )


def _recording_context(job: Job, log: Any) -> Context:
    job.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    last = 0.0

    def progress(done: float, total: float, unit: str) -> None:
        nonlocal last
        if (now := time.monotonic()) - last > 0.2 or done >= total:
            last = now
            send(
                (
                    "progress",
                    job.run.hash,
                    f"{job.run.experiment} {job.run.name}",
                    done,
                    total,
                    unit,
                )
            )

    return _context(job, log_epoch=log.epoch, progress=progress, tag=log.tag)


def _tags(job: Job) -> dict[str, str]:
    return {
        "commit": job.commit,
        "versions": tracking.versions(),
        "threads": str(job.threads),
        "data": job.run.data,
        "surrogate": job.run.surrogate_for,
        "fallback_for": job.run.fallback_for,
    }


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    first = text[0] if text else "no message"
    return first if isinstance(error, KerasrefError) else f"{type(error).__name__}: {first}"


def preflight(runs: list[Run], threads: int = 1) -> list[tuple[Run, tuple[str, ...], str]]:
    """In a worker: mistakes that only a started backend can see, before anything has run.

    Starts the backend as the runs will: whoever touches TensorFlow first settles its threads,
    and with another number of threads a run ends with other numbers.
    """
    from kerasref.harness import strategy

    checked = [run for run in runs if hasattr(task_module(run.task), "preflight")]
    for name in {run.strategy for run in checked}:
        strategy.start(name, threads)
    found = []
    for run in checked:
        try:
            task_module(run.task).preflight(run.settings)
        except ConfigError as error:
            found.append((run, error.key, error.message))
    return found


def run_all(jobs: list[Job], executor: Executor, on_outcome: Callable[[Outcome], None]) -> None:
    """Submit all jobs and pass on their outcomes; one that fails fails only itself."""
    futures = {executor.submit(execute, job): job for job in jobs}
    for future in as_completed(futures):
        job = futures[future]
        try:
            outcome = future.result()
        except Exception as error:
            outcome = Outcome(job.run, "failed", message=_one_line(error))
            _record_death(job, outcome.message)
        on_outcome(outcome)


def _record_death(job: Job, message: str) -> None:
    """A worker that died could not write FAILED itself."""
    with contextlib.suppress(Exception):
        store = _store(job)
        with lock(job.state / "locks" / f"{job.run.hash}.lock"):
            if not store.is_finished(job.run):
                store.begin(job.run, job.parent, _tags(job)).fail(message)


@contextlib.contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """An executor that submits to the Dask scheduler at `address` (extra `cluster`)."""
    try:
        from distributed import Client
    except ImportError:
        raise KerasrefError("--cluster needs Dask: pip install 'kerasref[cluster]'") from None
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise KerasrefError(f"no Dask scheduler at {address}: {_one_line(error)}") from None
    with client:
        yield client.get_executor(pure=False, retries=0)


def run_lockstep(
    strategy: tf.distribute.Strategy, jobs: list[Job], on_outcome: Callable[[Outcome], None]
) -> list[Outcome]:
    """Execute every job in this process while the other workers of the cluster do the same.

    The chief decides what is skipped and does all the recording.
    """
    from kerasref.harness import strategy as strategies

    def agree(skip: bool) -> bool:
        return strategies.total(strategy, int(skip)) > 0

    perform = execute if strategies.is_chief(strategy) else _follow
    outcomes = []
    for job in jobs:
        outcome = perform(job, agree)
        outcomes.append(outcome)
        on_outcome(outcome)
    return outcomes


def _follow(job: Job, agree: Callable[[bool], bool]) -> Outcome:
    """Execute one run as the chief does, recording nothing."""
    if agree(False):
        return Outcome(job.run, "skipped")
    try:
        task_module(job.run.task).run(job.run.settings, _context(job))
    except Exception as error:
        return Outcome(job.run, "failed", message=_one_line(error))
    return Outcome(job.run, "finished")


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
