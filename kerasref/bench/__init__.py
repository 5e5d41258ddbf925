"""What the project costs: the harness against hand-written loops, builders against their twins."""

from __future__ import annotations

import multiprocessing
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from kerasref.bench import harness, throughput
from kerasref.harness.errors import KerasrefError, did_you_mean

HARNESS = "harness"


def measure(
    names: Iterable[str], root: Path, say: Callable[[str], None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and measurement of each of `names`, or of everything there is, one at a time.

    Each is measured in a new process, alone.

    Args:
        names: `"harness"`, or builders that have a twin.
        root: of the checkout, whose commit is noted.
        say: is told what is going on.

    Raises:
        KerasrefError: an unknown name.
    """
    from kerasref.harness import tracking

    twins = throughput.twins()
    known = [HARNESS, *twins]
    chosen = list(names) or known
    for name in chosen:
        if name not in known:
            raise KerasrefError(f"nothing to measure is called {name!r}{did_you_mean(name, known)}")
    where = {
        "commit": tracking.commit(root),
        "machine": machine(),
        "versions": tracking.versions(),
    }
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as processes:
        for name in chosen:
            if name == HARNESS:
                say("the harness against hand-written loops ...")
                result = processes.submit(harness.measure)
            else:
                say(f"{name} against {twins[name]} of keras.applications ...")
                result = processes.submit(throughput.compare, name)
            yield name, {**result.result(), **where}


def machine() -> str:
    """`2 cores, AMD EPYC, 23 GiB`."""
    parts = [f"{os.cpu_count()} cores", _processor() or platform.machine()]
    if "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        parts.append(f"{memory / 2**30:.0f} GiB")
    return ", ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), "")
