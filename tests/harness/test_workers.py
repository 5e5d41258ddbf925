"""Warm worker processes: calls, deaths, shutdown."""

import operator
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from kerasref.harness.workers import WorkerDied, Workers

SEND = "from kerasref.harness.workers import send; [send(n) for n in range(100)]"


@pytest.fixture
def make_workers():
    made = []

    def make(*args, **kwargs):
        made.append(Workers(*args, **kwargs))
        return made[-1]

    yield make
    for workers in made:
        workers.shutdown(cancel_futures=True)


def test_a_worker_stays_for_the_next_call(make_workers):
    workers = make_workers(1)
    pids = {workers.submit(os.getpid).result() for _ in range(3)}
    assert len(pids) == 1
    assert pids != {os.getpid()}


def test_every_call_may_have_a_process_of_its_own(make_workers):
    workers = make_workers(1, warm=False)
    calls = [workers.submit(os.getpid) for _ in range(3)]
    assert len({call.result() for call in calls}) == 3
    with pytest.raises(ZeroDivisionError):
        workers.submit(operator.truediv, 1, 0).result()
    assert workers.submit(abs, -1).result() == 1


def test_results_errors_and_order(make_workers):
    workers = make_workers(2)
    calls = [workers.submit(operator.truediv, 6, n) for n in (1, 2, 0, 3)]
    assert [call.result() for call in calls[:2]] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        calls[2].result()
    assert calls[3].result() == 2
    assert list(workers.map(abs, [-1, -2])) == [1, 2]


@pytest.mark.parametrize(
    "code",
    [
        "class Odd(Exception):\n  def __init__(s, a, b): super().__init__('odd')\nraise Odd(1, 2)",
        "raise OSError('no disk')",
        "raise EOFError('end')",
    ],
)
def test_an_error_of_a_call_is_no_death(make_workers, code):
    """Not even one that cannot travel, or that a broken pipe would raise too."""
    workers = make_workers(1)
    before = workers.submit(os.getpid).result()
    with pytest.raises(Exception, match=r"odd|no disk|end") as caught:
        workers.submit(exec, code, {}).result()
    assert not isinstance(caught.value, WorkerDied)
    with pytest.raises(Exception, match="pickle"):
        workers.submit(eval, "lambda: 1").result()
    with pytest.raises(Exception, match="pickle"):
        workers.submit(lambda: 1).result()
    assert workers.submit(os.getpid).result() == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_dying_worker_fails_its_own_call_only(make_workers, number):
    workers = make_workers(2)
    calls = [workers.submit(time.sleep, 0.2) for _ in range(2)]
    dying = workers.submit(signal.raise_signal, number)
    calls += [workers.submit(operator.add, n, 1) for n in range(4)]
    with pytest.raises(WorkerDied, match="the worker process died"):
        dying.result()
    assert [call.result() for call in calls] == [None, None, 1, 2, 3, 4]


def test_a_worker_that_exits_has_died_and_is_replaced(make_workers):
    workers = make_workers(1)
    before = workers.submit(os.getpid).result()
    for code in (0, 3):
        with pytest.raises(WorkerDied):
            workers.submit(os._exit, code).result()
    assert workers.submit(os.getpid).result() != before


def test_messages_arrive_before_the_result(make_workers):
    got = []
    workers = make_workers(1, got.append)
    workers.submit(exec, SEND, {}).result()
    assert got == list(range(100))


def test_a_display_that_fails_does_not_fail_the_call(make_workers):
    workers = make_workers(1, lambda message: 1 / 0)
    assert workers.submit(exec, SEND, {}).result() is None


def test_what_workers_print_goes_to_the_log(make_workers, tmp_path, capfd):
    log = tmp_path / "a" / "workers.log"
    workers = make_workers(1, log=log)
    workers.submit(
        exec, "import sys; print('out', flush=True); sys.stderr.write('err')", {}
    ).result()
    workers.submit(os.write, 2, b"raw").result()
    workers.shutdown()
    assert sorted(log.read_text().split()) == ["errraw", "out"]
    assert capfd.readouterr() == ("", "")


def test_shutdown_waits_for_calls(make_workers):
    workers = make_workers(1)
    calls = [workers.submit(operator.add, n, 1) for n in range(3)]
    workers.shutdown()
    assert [call.result() for call in calls] == [1, 2, 3]
    with pytest.raises(RuntimeError, match="after shutdown"):
        workers.submit(abs, 1)


def test_an_error_ends_the_workers_at_once(project):
    pids, calls = [], []
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Workers(2) as workers:  # noqa: PT012
        pids += [workers.submit(os.getpid).result()]
        calls += [workers.submit(time.sleep, 60) for _ in range(4)]
        project.wait_until(lambda: sum(call.running() for call in calls) == 2)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 20
    assert not any(project.alive(pid) for pid in pids)
    assert all(call.done() for call in calls)
    assert sum(call.cancelled() for call in calls) == 2


def test_cancelling_while_workers_start_leaves_none_behind():
    began = time.monotonic()
    before = threading.active_count()
    for _ in range(5):
        workers = Workers(2)
        for _ in range(3):
            workers.submit(time.sleep, 60)
        workers.shutdown(cancel_futures=True)
    assert time.monotonic() - began < 30
    assert threading.active_count() == before


def test_workers_end_with_their_parent_even_in_the_middle_of_a_call(project):
    code = (
        "import os, time\n"
        "from kerasref.harness.workers import Workers\n"
        "workers = Workers(2)\n"
        "pids = [workers.submit(os.getpid).result() for _ in range(2)]\n"
        "print(*pids, flush=True)\n"
        "calls = [workers.submit(time.sleep, 60)]\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert all(project.alive(pid) for pid in pids)
    finally:
        parent.kill()
        parent.communicate()
    assert project.wait_until(lambda: not any(project.alive(pid) for pid in pids), 10)
