"""Ranges, slopes and saturation of tanh, sigmoid, softmax and ReLU (dlnotes 1.1)."""

from __future__ import annotations

import numpy as np
from keras import activations

from kerasref.harness.gradients import derivative


def ranges(limit: float = 15.0, points: int = 100_001) -> dict[str, float]:
    """Extremes of tanh and sigmoid on [-limit, limit], and how far softmax sums are from 1.

    In float64, where neither function rounds to its bound for |x| <= 15. Ledger X1.1-3.

    Returns:
        `tanh_min`, `tanh_max`, `sigmoid_min`, `sigmoid_max`; `tanh_inside` and `sigmoid_inside`
        (1 if every value lies strictly between the bounds); `softmax_sum_error` (largest |sum - 1|
        over 1,000 random vectors of 10 logits).
    """
    x = np.linspace(-limit, limit, points)
    tanh, sigmoid = np.asarray(activations.tanh(x)), np.asarray(activations.sigmoid(x))
    logits = np.random.default_rng(0).normal(scale=5.0, size=(1000, 10))
    sums = np.asarray(activations.softmax(logits)).sum(axis=-1)
    return {
        "tanh_min": tanh.min(),
        "tanh_max": tanh.max(),
        "tanh_inside": float(np.all((tanh > -1) & (tanh < 1))),
        "sigmoid_min": sigmoid.min(),
        "sigmoid_max": sigmoid.max(),
        "sigmoid_inside": float(np.all((sigmoid > 0) & (sigmoid < 1))),
        "softmax_sum_error": np.abs(sums - 1).max(),
    }


def softmax(vectors: int = 1000, classes: int = 10) -> dict[str, float]:
    """What softmax does to random logits. Ledger A1.1-15.

    Returns:
        `smallest_exponential` (> 0); `sum_error`; `prediction_kept` (share of vectors whose
        largest probability is that of the largest logit); `gap_widened_positive` and
        `gap_widened_negative` (share of vectors where exp puts the two largest values further
        apart than they were, for logits in 0..5 and in -5..0).
    """
    rng = np.random.default_rng(0)
    logits = rng.uniform(-5, 5, size=(vectors, classes))
    probabilities = np.asarray(activations.softmax(logits))

    def widened(values: np.ndarray) -> float:
        top = np.sort(values, axis=-1)[:, -2:]
        return float(np.mean(np.diff(np.exp(top))[:, 0] > np.diff(top)[:, 0]))

    return {
        "smallest_exponential": np.exp(logits).min(),
        "sum_error": np.abs(probabilities.sum(axis=-1) - 1).max(),
        "prediction_kept": np.mean(probabilities.argmax(-1) == logits.argmax(-1)),
        "gap_widened_positive": widened(rng.uniform(0, 5, size=(vectors, classes))),
        "gap_widened_negative": widened(rng.uniform(-5, 0, size=(vectors, classes))),
    }


def slopes() -> dict[str, float]:
    """Slopes of sigmoid, tanh and ReLU by automatic differentiation. Ledger A1.1-4.

    Returns:
        `<name>_slope_max` over [-10, 10]; `<name>_slope_at_10` (the larger of those at -10 and
        10); `relu_slope_positive` and `relu_slope_negative` (at 1 and -1).
    """
    x = np.linspace(-10.0, 10.0, 2001)
    sigmoid, tanh = derivative(activations.sigmoid, x), derivative(activations.tanh, x)
    relu = derivative(activations.relu, np.array([1.0, -1.0]))
    return {
        "sigmoid_slope_max": sigmoid.max(),
        "sigmoid_slope_at_10": max(sigmoid[0], sigmoid[-1]),
        "tanh_slope_max": tanh.max(),
        "tanh_slope_at_10": max(tanh[0], tanh[-1]),
        "relu_slope_positive": relu[0],
        "relu_slope_negative": relu[1],
    }
