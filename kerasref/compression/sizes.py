"""How large a model is after each stage of deep compression: the arithmetic of its formats."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import keras
import numpy as np

from kerasref.compression.archive import Streams
from kerasref.compression.weight_sharing import Shared

FLOAT = 32
"""Bits of a weight that is stored as it is."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Bits of a whole model, biases and moving statistics included.

    Attributes:
        params: its weights, zero or not.
        kept: those that are not pruned.
        dense: bits of all weights in float32.
        pruned: with each kernel as its entries, a step and a float32 value each.
        shared: with labels instead of values, and the codebooks.
    """

    params: int
    kept: int
    dense: int
    pruned: int
    shared: int


def sizes(
    model: keras.Model, shared: Mapping[str, Shared], label_bits: int, index_bits: int
) -> Sizes:
    """Sizes by Han et al. 2016, formula (1), with the steps' bits and the fillers of gaps.

    A kernel that has no zero needs no steps.

    Args:
        model: pruned, with shared weights or about to be.
        shared: its kernels' labels and codebooks, by path.
        label_bits: of a label.
        index_bits: of a step.
    """
    rest = [weight for weight in model.weights if weight.path not in shared]
    others = sum(math.prod(weight.shape) for weight in rest)
    kept = dense = pruned = labelled = 0
    for kernel in shared.values():
        streams = Streams.of(kernel, index_bits)
        full = bool(np.all(kernel.labels))
        step = 0 if full else index_bits
        kept += int(np.count_nonzero(kernel.labels))
        dense += kernel.labels.size
        pruned += len(streams.steps) * (FLOAT + step)
        labelled += len(streams.steps) * (label_bits + step) + FLOAT * len(kernel.codebook)
    return Sizes(
        params=dense + others,
        kept=kept + others,
        dense=FLOAT * (dense + others),
        pruned=pruned + FLOAT * others,
        shared=labelled + FLOAT * others,
    )
