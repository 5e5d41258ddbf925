"""Relative indices: a sparse array as the steps from one entry to the next.

Han, Mao, Dally: Deep compression, 2016, section 2 and figure 2. A step has few bits; where the next
entry is farther away than they can say, entries of value zero stand in between.
"""

from __future__ import annotations

import numpy as np

from kerasref.layers.arguments import check_positive_integer


def encode(labels: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a sparse array.

    Args:
        labels: integers in any shape, mostly zeros; read in C order.
        bits: of a step, 1 to 16: it leads 1 to `2**bits` places on, the first one from before the
            first place.

    Returns:
        For each entry its step less 1, and its value, 0 where it only fills a gap; both `(n,)`.

    Raises:
        ValueError: `bits` out of its range.
    """
    check_bits(bits)
    flat = labels.ravel()
    places = np.flatnonzero(flat)
    distances = np.diff(places, prepend=-1)
    fillers, rest = np.divmod(distances - 1, 2**bits)
    entries = fillers + 1
    last = np.cumsum(entries) - 1
    steps = np.full(entries.sum(), 2**bits - 1)
    values = np.zeros(steps.size, flat.dtype)
    steps[last], values[last] = rest, flat[places]
    return steps, values


def decode(steps: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """The flat array of which `encode` made steps and values, `(size,)`.

    Raises:
        ValueError: the steps lead out of the array.
    """
    places = np.cumsum(np.asarray(steps) + 1) - 1
    if places.size and places[-1] >= size:
        raise ValueError(f"an entry has the place {places[-1]} of an array of {size}")
    labels = np.zeros(size, np.asarray(values).dtype)
    labels[places] = values
    return labels


def check_bits(bits: int) -> None:
    """Raises ValueError: `bits` of a step is no integer from 1 to 16."""
    if check_positive_integer("index_bits", bits) > 16:
        raise ValueError(f"`index_bits` must be 16 at most, not {bits!r}")
