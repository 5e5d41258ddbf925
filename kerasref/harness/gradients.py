"""Gradients for checks and probes, which know no backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def value_and_gradients(
    function: Callable[[], Any], variables: Sequence[Any]
) -> tuple[float, list[np.ndarray]]:
    """Value of a scalar function and its gradient with respect to Keras variables.

    Args:
        function: takes nothing, returns a scalar tensor computed from `variables`.
        variables: Keras variables; the gradients have their shapes.
    """
    with tf.GradientTape() as tape:
        value = function()
    gradients = tape.gradient(value, [variable.value for variable in variables])
    return float(value), [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


def derivative(function: Callable[[Any], Any], points: np.ndarray) -> np.ndarray:
    """Derivative of an elementwise function at every point, in the points' own precision."""
    x = tf.constant(points)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy()
