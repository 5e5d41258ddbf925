"""How many of a layer's channels say something of their own."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Redundancy:
    """Of the channels of one layer's output.

    `effective_rank`: exponential of the entropy of the eigenvalues of the channels' correlation
    matrix, 1 for copies of one channel and their number for uncorrelated ones. `redundancy`: 1 -
    effective rank / channels. `correlation`: mean absolute correlation of two channels.
    """

    effective_rank: float
    redundancy: float
    correlation: float


def channel_redundancy(features: Any) -> Redundancy:
    """Redundancy of the last axis of `features`; all other axes are observations.

    Correlations do not depend on the channels' scale. A constant channel has none with others and
    adds nothing to the rank; where all are constant, every number is nan.

    Args:
        features: `(..., channels)`, at least two observations and two channels.

    Raises:
        ValueError: fewer channels or observations.

    Source: Roy and Vetterli: The effective rank, 2007; dlnotes 1.7, ledger A1.7-5.
    """
    x = np.asarray(features, "float64")
    x = x.reshape(-1, x.shape[-1])
    observations, channels = x.shape
    if observations < 2 or channels < 2:
        raise ValueError(f"two observations of two channels are needed, not {x.shape}")
    x = x - x.mean(axis=0)
    norms = np.linalg.norm(x, axis=0)
    varies = norms > 1e-12 * np.sqrt(observations)
    if not varies.any():
        return Redundancy(math.nan, math.nan, math.nan)
    x = x[:, varies] / norms[varies]
    correlations = np.zeros((channels, channels))
    correlations[np.ix_(varies, varies)] = x.T @ x
    eigenvalues = np.linalg.eigvalsh(correlations).clip(0)
    shares = eigenvalues[eigenvalues > 0] / eigenvalues.sum()
    rank = float(np.exp(-np.sum(shares * np.log(shares))))
    apart = ~np.eye(channels, dtype=bool)
    return Redundancy(rank, 1 - rank / channels, float(np.abs(correlations[apart]).mean()))
