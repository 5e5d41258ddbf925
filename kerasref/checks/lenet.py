"""LeNet-5's wiring, measured (dlnotes 1.1)."""

from __future__ import annotations

import keras
import numpy as np

from kerasref.analysis import counts
from kerasref.models import LeNet5


def c3_wiring() -> dict[str, float]:
    """Which S2 maps each C3 map answers to, found by disturbing one S2 map after the other.

    Ledger F1.2, X1.1-1.

    Returns:
        `pairs` (connected pairs of maps); numbers of C3 maps that see 3 or 4 cyclic neighbours, 4
        maps that are not neighbours, or all 6 (`maps_with_3_neighbours`,
        `maps_with_4_neighbours`, `maps_with_4_apart`, `maps_with_6`); `params` of C3 and
        `connections` of the whole network.
    """
    keras.utils.set_random_seed(0)
    network = LeNet5()
    c3 = network.get_layer("c3")
    still = np.random.default_rng(0).normal(size=(1, 14, 14, 6)).astype("float32")
    before = np.asarray(c3(still))
    sees: list[set[int]] = [set() for _ in range(before.shape[-1])]
    for source in range(still.shape[-1]):
        disturbed = still.copy()
        disturbed[..., source] += 1.0
        change = np.abs(np.asarray(c3(disturbed)) - before).max(axis=(0, 1, 2))
        for target in np.flatnonzero(change):
            sees[target].add(source)
    maps = still.shape[-1]
    neighbours = [_are_cyclic_neighbours(inputs, maps) for inputs in sees]
    sizes = [len(inputs) for inputs in sees]

    def number(size: int, adjacent: bool) -> int:
        return sum(s == size and n == adjacent for s, n in zip(sizes, neighbours, strict=True))

    return {
        "pairs": sum(sizes),
        "maps_with_3_neighbours": number(3, True),
        "maps_with_4_neighbours": number(4, True),
        "maps_with_4_apart": number(4, False),
        "maps_with_6": sizes.count(6),
        "params": c3.count_params(),
        "connections": sum(counts.connections(network).values()),
    }


def _are_cyclic_neighbours(inputs: set[int], maps: int) -> bool:
    """True if the maps follow one another on a circle without a gap."""
    return any(
        inputs == {(start + step) % maps for step in range(len(inputs))} for start in range(maps)
    )
