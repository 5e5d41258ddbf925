"""What is tried on every backend, and how: shared by the process that writes the reference on
TensorFlow and by those that compare with it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from kerasref import layers, models

TOLERANCE = 1e-4  # as a share of the largest value


@dataclasses.dataclass(frozen=True)
class Case:
    """A builder of `kerasref.models` or, where `shape` is that of an input, a layer."""

    id: str
    name: str
    arguments: dict[str, Any]
    shape: tuple[int, ...] | None = None

    def build(self) -> keras.Model:
        if self.shape is None:
            return getattr(models, self.name)(**self.arguments)
        layer = getattr(layers, self.name)(**self.arguments, name="layer")
        image = keras.Input(self.shape)
        return keras.Model(image, layer(image))


def outputs(model: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    """Of inference."""
    return [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(model(x, training=False))]


def train(model: keras.Model, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """All weights after one step of gradient descent, in a compiled function."""
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.train_on_batch(x, y)
    return model.get_weights()


def draws_at_random(model: keras.Model) -> bool:
    """Whether a step depends on random numbers, which differ between backends."""
    return len(model.variables) > len(model.weights)
