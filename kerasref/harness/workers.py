"""Warm worker processes behind the `concurrent.futures.Executor` interface.

Each worker is a process of its own that starts TensorFlow once and then takes one call after
another. Unlike in a `ProcessPoolExecutor`, a worker that dies (killed, out of memory) fails only
the call it was working on; a fresh process takes its place.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")
_messages: Any = None


class WorkerDied(RuntimeError):
    """The worker process ended in the middle of a call."""


class Workers(Executor):
    """`count` warm processes; calls are taken in the order of submission.

    Args:
        count: number of processes.
        on_message: called, in a thread of this process, with whatever a call passes to `send`.
        log: file that takes what the workers write to standard error (TensorFlow is talkative).
    """

    def __init__(
        self,
        count: int,
        on_message: Callable[[Any], None] | None = None,
        log: Path | None = None,
    ):
        self._log = log
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._messages = _SPAWN.SimpleQueue() if on_message else None
        self._pools: dict[int, ProcessPoolExecutor] = {}
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=(number,), daemon=True)
            for number in range(count)
        ]
        if on_message:
            self._listener = threading.Thread(target=self._listen, args=(on_message,), daemon=True)
            self._listener.start()
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        if self._closed:
            raise RuntimeError("cannot schedule new calls after shutdown")
        future: Future = Future()
        self._calls.put((future, fn, args, kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers; with `cancel_futures`, at once, dropping the calls in progress."""
        self._closed = True
        if cancel_futures:
            while True:
                try:
                    call = self._calls.get_nowait()
                except queue.Empty:
                    break
                if call:
                    call[0].cancel()
            for pool in list(self._pools.values()):
                for process in list((pool._processes or {}).values()):
                    process.terminate()
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()
            if self._messages:
                self._messages.put(None)
                self._listener.join()

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """End the workers; at once if an error, such as Ctrl-C, is on its way."""
        self.shutdown(cancel_futures=kind is not None)

    def _serve(self, number: int) -> None:
        while call := self._calls.get():
            future, fn, args, kwargs = call
            if not future.set_running_or_notify_cancel():
                continue
            pool = self._pools.get(number)
            if pool is None:
                pool = self._pools[number] = ProcessPoolExecutor(
                    1, _SPAWN, _start_worker, (self._messages, self._log)
                )
            try:
                future.set_result(pool.submit(fn, *args, **kwargs).result())
            except BrokenProcessPool:
                self._pools.pop(number).shutdown(wait=False)
                future.set_exception(
                    WorkerDied("the worker process died (killed or out of memory)")
                )
            except BaseException as error:
                future.set_exception(error)
        if pool := self._pools.pop(number, None):
            pool.shutdown(wait=True)

    def _listen(self, on_message: Callable[[Any], None]) -> None:
        while (message := self._messages.get()) is not None:
            on_message(message)


def send(message: Any) -> None:
    """From inside a call: pass a message to the `Workers` that made it; elsewhere do nothing."""
    if _messages is not None:
        _messages.put(message)


def _start_worker(messages: Any, log: Path | None) -> None:
    global _messages
    _messages = messages
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed must not work on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
