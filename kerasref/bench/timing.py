"""Fair timing of contestants in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def alternate(
    contestants: dict[str, Callable[[], Any]], *, repeats: int, seconds: float = 0.0
) -> dict[str, list[float]]:
    """Wall seconds of each call, by contestant.

    Everyone is called once per round, in reverse order every other round, so that drift of the
    machine meets all alike. A first round, which traces and warms up, is not counted.

    Args:
        contestants: what to call; it must return only when the work is done.
        repeats: least number of rounds.
        seconds: rounds go on until they have taken this long.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for contestant in contestants.values():
        contestant()
    began = time.perf_counter()
    rounds = 0
    while rounds < repeats or time.perf_counter() - began < seconds:
        order = list(contestants.items())
        for name, contestant in reversed(order) if rounds % 2 else order:
            start = time.perf_counter()
            contestant()
            times[name].append(time.perf_counter() - start)
        rounds += 1
    return times
