"""What a ReLU leaves of a thin manifold in a space of n channels (dlnotes 2.2)."""

from __future__ import annotations

import numpy as np


def reconstruction(
    channels: int, seed: int, points: int = 200, matrices: int = 1000
) -> dict[str, float]:
    """Embed a spiral of two dimensions by random matrices, apply the ReLU and go back.

    T is `(channels, 2)` with normal entries, y = ReLU(T x), and the way back is the generalised
    inverse of T, as in the paper's figure 1. A common factor of all coordinates is no loss of
    information and is taken out by least squares, as half of the channels are off on average.

    A point is lost where fewer than two channels are positive: one linear equation, or none, does
    not determine two coordinates. As each channel is positive for half of all rows of T, that has
    the probability (n + 1) / 2^n. Ledger A2.2-4.

    Args:
        channels: n, at least 2.
        seed: of the matrices.
        points: on the spiral, of two turns.
        matrices: their number, over which the results are averaged.

    Returns:
        `error`: distance between the spiral and what comes back, root of the mean square,
        relative to the spiral's size; `lost`: share of points that are lost; `silent`: share of
        points for which no channel is positive; `linear_error`: as `error` without the ReLU.

    Source: Sandler et al. 2018, section 3.2, figure 1.
    """
    rng = np.random.default_rng(seed)
    radius = np.linspace(0.05, 1, points)
    angle = 4 * np.pi * radius
    x = radius * np.stack([np.cos(angle), np.sin(angle)])  # (2, points)
    embed = rng.normal(size=(matrices, channels, 2))
    back = np.linalg.pinv(embed)
    linear = embed @ x
    active = (linear > 0).sum(axis=1)
    return {
        "error": _error(back @ np.maximum(linear, 0), x),
        "lost": (active < 2).mean(),
        "silent": (active == 0).mean(),
        "linear_error": _error(back @ linear, x),
    }


def _error(found: np.ndarray, x: np.ndarray) -> float:
    """Mean over matrices of the relative distance of `found`, times its best factor, from `x`."""
    size = (x**2).sum()
    product, square = ((found * x).sum(axis=(1, 2)), (found**2).sum(axis=(1, 2)))
    factor = np.divide(product, square, out=np.zeros_like(square), where=square > 0)
    distance = ((factor[:, None, None] * found - x) ** 2).sum(axis=(1, 2))
    return float(np.sqrt(distance / size).mean())
