"""What a single Maxout unit can compute (dlnotes 1.3)."""

from __future__ import annotations

import numpy as np

from kerasref.layers import Maxout


def tangents(pieces: int, points: int = 100_001) -> dict[str, float]:
    """A Maxout unit of tangents to a convex function, against the function on [-1, 1].

    The tangents touch in the middles of `pieces` equal intervals; a tangent to x**2 in c lies
    (x - c)**2 below it, so that the largest error must be 1 / pieces**2. Ledger A1.3-3, F1.16.

    Returns:
        `square_error` and `exp_error`, largest distances from x**2 and exp(x);
        `square_error_times_pieces_squared`, the former scaled.
    """
    x = np.linspace(-1.0, 1.0, points)
    centres = -1.0 + (2.0 * np.arange(pieces) + 1.0) / pieces
    square = _unit(2.0 * centres, -(centres**2), x)
    exponential = _unit(np.exp(centres), np.exp(centres) * (1.0 - centres), x)
    error = np.abs(square - x**2).max()
    return {
        "square_error": error,
        "square_error_times_pieces_squared": error * pieces**2,
        "exp_error": np.abs(exponential - np.exp(x)).max(),
    }


def two_pieces() -> dict[str, float]:
    """Maxout units of two pieces as ReLU and as absolute value. Ledger A1.3-3.

    Returns:
        `relu_error`, `abs_error`: largest deviations on [-3, 3].
    """
    x = np.linspace(-3.0, 3.0, 10_001)
    relu, absolute = (_unit(np.array(slopes), np.zeros(2), x) for slopes in ([0.0, 1.0], [-1.0, 1]))
    return {
        "relu_error": np.abs(relu - np.maximum(x, 0)).max(),
        "abs_error": np.abs(absolute - np.abs(x)).max(),
    }


def _unit(slopes: np.ndarray, intercepts: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Outputs for the scalars `x` of one unit with those pieces, in float64."""
    layer = Maxout(1, len(slopes), dtype="float64")
    layer.build((None, 1))
    layer.set_weights([slopes.reshape(1, 1, -1), intercepts.reshape(1, -1)])
    return np.asarray(layer(x[:, None]))[:, 0]
