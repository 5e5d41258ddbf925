"""Local multi-worker training: N processes of one command on loopback, ended together.

On Slurm or Kubernetes the cluster starts the workers and this launcher is not needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

from kerasref.harness.errors import KerasrefError

LAUNCHER_PID = "KERASREF_LAUNCHER_PID"
"""Environment variable that tells a worker which process it must not outlive."""

_WATCH_INTERVAL = 0.2  # seconds
_GRACE = 5.0  # seconds between SIGTERM and SIGKILL
_LOG_TAIL = 20  # lines


def launch(workers: int, command: list[str], timeout: float | None = None) -> int:
    """Run `command` in `workers` processes that form one tf.distribute cluster.

    Each process gets its own TF_CONFIG. Worker 0 writes to this process's output; what the others
    write is kept apart, and its last lines shown if a worker fails. When one fails, the
    others are ended: they would wait for it for ever. Ctrl-C and SIGTERM end all of them.

    Args:
        workers: number of processes, at least 1.
        command: program and arguments, such as `[sys.executable, "-m", "kerasref", "run", ...]`.
        timeout: seconds after which the workers are ended; None for no limit.

    Returns:
        0 if every worker ended with status 0, else 1.

    Raises:
        KerasrefError: no worker or no command.
    """
    if workers < 1:
        raise KerasrefError(f"launch: workers={workers}, expected at least 1")
    if not command:
        raise KerasrefError("launch: no command given")
    processes: list[subprocess.Popen] = []
    with tempfile.TemporaryDirectory(prefix="kerasref-launch-") as logs:
        try:
            with _sigterm_as_interrupt():
                addresses = [f"127.0.0.1:{port}" for port in _free_ports(workers)]
                for index in range(workers):
                    processes.append(_start(index, addresses, command, logs))
                problem = _wait(processes, timeout)
        except KeyboardInterrupt:
            problem = "interrupted"
        finally:
            _end(processes)
        if problem is None:
            return 0
        _show(logs)
    print(f"kerasref launch: {problem}; running the same command again resumes", file=sys.stderr)
    return 1


def watch_parent() -> None:
    """In a worker: end this process soon after its launcher died, be it of SIGKILL.

    A process that `launch` did not start is left alone. Call it once, early.
    """
    if LAUNCHER_PID not in os.environ:
        return
    launcher, parent = int(os.environ[LAUNCHER_PID]), os.getppid()

    def watch() -> None:
        while os.getppid() == parent and _is_alive(launcher):
            time.sleep(_WATCH_INTERVAL)
        os._exit(1)

    threading.Thread(target=watch, name="watch-launcher", daemon=True).start()


def _start(index: int, addresses: list[str], command: list[str], logs: str) -> subprocess.Popen:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    environment = {"TF_CONFIG": json.dumps(config), LAUNCHER_PID: str(os.getpid())}
    with contextlib.ExitStack() as files:
        log = files.enter_context(open(_log(logs, index), "wb")) if index else None
        return subprocess.Popen(
            command,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,  # Ctrl-C reaches the launcher alone, which ends the workers
        )


def _wait(processes: list[subprocess.Popen], timeout: float | None) -> str | None:
    """Wait until all workers succeeded; returns what went wrong first, or None."""
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index, process in enumerate(processes):
        threading.Thread(
            target=lambda index=index, process=process: (process.wait(), ended.put(index)),
            daemon=True,
        ).start()
    deadline = None if timeout is None else time.monotonic() + timeout
    for _ in processes:
        try:
            index = ended.get(timeout=deadline and max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return f"not finished after {timeout:g} s"
        code = processes[index].returncode
        if code < 0:
            return f"worker {index} was killed by {signal.Signals(-code).name}"
        if code > 0:
            return f"worker {index} exited with status {code}"
    return None


def _end(processes: list[subprocess.Popen]) -> None:
    running = [process for process in processes if process.poll() is None]
    for process in running:
        _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            _signal_group(process, signal.SIGKILL)
            process.wait()


def _signal_group(process: subprocess.Popen, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _show(logs: str) -> None:
    for name in sorted(os.listdir(logs)):
        with open(os.path.join(logs, name), errors="replace") as file:
            for line in file.read().splitlines()[-_LOG_TAIL:]:
                print(f"[{name}] {line}", file=sys.stderr)


def _log(logs: str, index: int) -> str:
    return os.path.join(logs, f"worker {index}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _free_ports(count: int) -> list[int]:
    """Ports that are free now; all stay open until the last is found, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
