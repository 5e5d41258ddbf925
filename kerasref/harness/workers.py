"""Warm worker processes behind the `concurrent.futures.Executor` interface.

Each worker is a process of its own that starts TensorFlow once and then takes one call after
another. Unlike in a `ProcessPoolExecutor`, a worker that dies (killed, out of memory) fails only
the call it was working on; a fresh process takes its place. Workers share nothing, not even a
lock, that a dying one could leave in a bad state.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from multiprocessing import connection
from pathlib import Path
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")
_to_parent: connection.Connection | None = None


class WorkerDied(RuntimeError):
    """The worker process ended in the middle of a call."""


class Workers(Executor):
    """`count` warm processes; calls are taken in the order of submission.

    Args:
        count: number of processes.
        warm: whether a process takes one call after another, or each call gets a new one.
        on_message: called, in a thread of this process, with whatever a call passes to `send`.
        log: file that takes what the workers print (TensorFlow is talkative).
    """

    def __init__(
        self,
        count: int,
        on_message: Callable[[Any], None] | None = None,
        log: Path | None = None,
        *,
        warm: bool = True,
    ):
        self._warm = warm
        self._on_message = on_message or (lambda message: None)
        self._log = log
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._processes: set[multiprocessing.process.BaseProcess] = set()
        self._closed = self._cancelled = False
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        if self._closed:
            raise RuntimeError("cannot schedule new calls after shutdown")
        future: Future = Future()
        self._calls.put((future, (fn, args, kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers; with `cancel_futures`, at once, dropping the calls in progress."""
        self._closed = True
        if cancel_futures:
            with self._lock:
                self._cancelled = True
                for process in self._processes:
                    process.terminate()
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """End the workers; at once if an error, such as Ctrl-C, is on its way."""
        self.shutdown(cancel_futures=kind is not None)

    def _serve(self) -> None:
        """Pass on calls to one process, or to its successor when it has died."""
        process = pipe = None
        while call := self._calls.get():
            future, work = call
            if self._cancelled:
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if process is None:
                    process, pipe = self._start()
                pipe.send(work)
                result, error = self._answer(pipe)
                if not self._warm:
                    self._end(process, pipe)
                    process = None
            except (EOFError, OSError):
                if process is not None:
                    process.kill()
                self._end(process, pipe)
                process = None
                error = WorkerDied("the worker process died (killed or out of memory)")
            except Exception as problem:  # the call cannot be pickled
                error = problem
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        self._end(process, pipe)

    def _start(self) -> tuple[multiprocessing.process.BaseProcess, connection.Connection]:
        with self._lock:
            if self._cancelled:
                raise EOFError
            pipe, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(target=_work, args=(theirs, self._log), daemon=True)
            process.start()
            theirs.close()
            self._processes.add(process)
        return process, pipe

    def _end(
        self, process: multiprocessing.process.BaseProcess | None, pipe: connection.Connection
    ) -> None:
        if process is not None:
            pipe.close()
            process.join()
            with self._lock:
                self._processes.remove(process)

    def _answer(self, pipe: connection.Connection) -> tuple[Any, Exception | None]:
        """Result and error of the call in progress; passes on its messages."""
        while True:
            kind, content = pipe.recv()
            if kind == "answer":
                return content
            with contextlib.suppress(Exception):  # a display must not fail a run
                self._on_message(content)


def send(message: Any) -> None:
    """From inside a call: pass a message to the `Workers` that made it; elsewhere do nothing."""
    if _to_parent is not None:
        _to_parent.send(("message", message))


def _work(pipe: connection.Connection, log: Path | None) -> None:
    """The worker process: one call after another, until the parent closes the pipe."""
    global _to_parent
    _to_parent = pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    while True:
        try:
            fn, args, kwargs = pipe.recv()
        except EOFError:
            return
        try:
            answer = (fn(*args, **kwargs), None)
            _check_travels(answer)
        except Exception as error:
            try:
                _check_travels(error)
                answer = (None, error)
            except Exception:
                answer = (None, RuntimeError(f"{type(error).__name__}: {error}"))
        pipe.send(("answer", answer))


def _check_travels(content: Any) -> None:
    """Raises an error if the parent could not receive `content`."""
    pickle.loads(pickle.dumps(content))


def _end_with_parent() -> None:
    """A worker whose parent was killed must not work on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
