"""Processors: one fast core against many slow ones, peaks by precision (D2L 7.1)."""

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


def a100_peaks() -> dict[str, float]:
    """Operations a second at which an A100 cannot do better, from its units and its clock.

    108 multiprocessors at 1.41 GHz; of single precision 64 units in each, of one multiply-add a
    cycle; of half precision 4 tensor cores in each, of 256. Ledger D2L-X18.

    Source: NVIDIA, A100 Tensor Core GPU Architecture, 2020.

    Returns:
        `single` and `half`, in TFLOP/s; `half_over_single`.
    """
    single, half = (108 * per_cycle * 2 * 1.41e9 / 1e12 for per_cycle in (64, 4 * 256))
    return {"single": single, "half": half, "half_over_single": half / single}


def _makespan(tasks: int, cores: int, time: float) -> float:
    """When the last core is done, each task given to the core that is free first."""
    busy = [0.0] * cores
    for _ in range(tasks):
        busy[busy.index(min(busy))] += time
    return max(busy)
