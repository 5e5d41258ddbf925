"""One fast processor against many slow ones (D2L 7.1)."""

from __future__ import annotations


def many_slow_cores(cores: int = 16, slowdown: float = 4.0, tasks: int = 1600) -> dict[str, float]:
    """Equal independent tasks on one fast core, and dealt out to many slower ones.

    Ledger D2L-T2.

    Returns:
        `speedup` of the many for `tasks` tasks; `speedup_of_one_task`.
    """
    return {
        "speedup": tasks / _makespan(tasks, cores, slowdown),
        "speedup_of_one_task": 1 / _makespan(1, cores, slowdown),
    }


def _makespan(tasks: int, cores: int, time: float) -> float:
    """When the last core is done, each task given to the core that is free first."""
    busy = [0.0] * cores
    for _ in range(tasks):
        busy[busy.index(min(busy))] += time
    return max(busy)
