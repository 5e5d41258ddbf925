"""Dropout as an average over sub-networks that share weights (dlnotes 1.1)."""

from __future__ import annotations

import itertools

import keras
import numpy as np


def subnetworks(rate: float = 0.5, inputs: int = 10, outputs: int = 4) -> dict[str, float]:
    """Average of a linear layer over all 2**inputs dropout masks, against the layer at test time.

    Every mask is applied as `keras.layers.Dropout` does (survivors divided by 1 - rate), weighted
    by its probability. The same average after a ReLU shows that the identity is for linear
    layers. Ledger A1.1-10.

    Returns:
        `subnetworks`; `linear_error` (largest deviation of the average from the undropped layer);
        `relu_error` (the same behind a ReLU); `test_time_change` (largest change that
        `keras.layers.Dropout` makes with `training=False`).
    """
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(outputs)
    x = np.random.default_rng(0).normal(size=(1, inputs)).astype("float32")
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=inputs)), "float32")
    kept = masks.sum(axis=1)
    weights = (1 - rate) ** kept * rate ** (inputs - kept)
    whole = np.asarray(dense(x))[0]
    parts = np.asarray(dense(masks * x / (1 - rate)))
    relu = np.maximum(parts, 0)
    undropped = np.asarray(keras.layers.Dropout(rate)(x, training=False))
    return {
        "subnetworks": len(masks),
        "linear_error": np.abs(weights @ parts - whole).max(),
        "relu_error": np.abs(weights @ relu - np.maximum(whole, 0)).max(),
        "test_time_change": np.abs(undropped - x).max(),
    }
