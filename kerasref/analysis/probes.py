"""What happens inside a trained network: sparse and dead units, gradients, answers to shifts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from kerasref.analysis import effective_rank
from kerasref.analysis.effective_rank import Redundancy
from kerasref.layers.arguments import check_choice


@dataclasses.dataclass(frozen=True)
class ActivationStatistics:
    """Of one layer's output.

    `zeros`: fraction of outputs that are 0. `dead`: fraction of units that are 0 on every example
    (a unit is one position of one map).
    """

    zeros: float
    dead: float


def activation_statistics(
    model: keras.Model, x: Any, batch_size: int = 128
) -> dict[str, ActivationStatistics]:
    """Statistics of each hidden layer that applies an activation, by layer name, in order.

    Args:
        model: functional model.
        x: inputs, the batch first.
        batch_size: examples per call.
    """
    names = [layer.name for layer in model.layers[:-1] if _has_activation(layer)]
    outputs = _inside(model, names)
    zeros, alive, examples = dict.fromkeys(names, 0), {}, 0
    for batch in _batches(x, batch_size):
        examples += len(batch)
        for name, output in outputs(batch).items():
            active = output != 0
            zeros[name] += active.size - np.count_nonzero(active)
            alive[name] = alive.get(name, False) | active.any(axis=0)
    return {
        name: ActivationStatistics(
            zeros=zeros[name] / (examples * alive[name].size), dead=float(1 - alive[name].mean())
        )
        for name in names
    }


def gradient_norms(model: keras.Model, gradients: Sequence[Any]) -> dict[str, float]:
    """Euclidean norm of the loss's gradient by each layer's weights, by layer name, in order.

    Args:
        model: of which `gradients` are.
        gradients: one for each of `model.trainable_weights`, in that order.

    Raises:
        ValueError: another number of gradients.
    """
    weights = model.trainable_weights
    if len(gradients) != len(weights):
        raise ValueError(f"{len(gradients)} gradients for {len(weights)} trainable weights")
    squares = {
        id(weight): float(np.sum(np.square(keras.ops.convert_to_numpy(gradient), dtype="float64")))
        for weight, gradient in zip(weights, gradients, strict=True)
    }
    return {
        layer.name: sum(squares[id(weight)] for weight in layer.trainable_weights) ** 0.5
        for layer in model.layers
        if layer.trainable_weights
    }


def shift_change(
    model: keras.Model,
    x: Any,
    layer_names: Iterable[str],
    pixels: int,
    batch_size: int = 128,
) -> dict[str, float]:
    """How much each layer's output changes when the images move right by `pixels`.

    The change is `|f(moved) - f(x)| / |f(x)|` with Euclidean norms per example, averaged over the
    examples for which f(x) is not all zeros. What moves in is zeros.

    Args:
        model: functional model.
        x: images `(batch, height, width, channels)`.
        layer_names: layers to look at.
        pixels: from 0 to the width less one.
        batch_size: examples per call.

    Raises:
        ValueError: an unknown layer, or a shift out of its range.
    """
    names, width = list(layer_names), x.shape[2]
    if not 0 <= pixels < width:
        raise ValueError(f"`pixels` must be between 0 and {width - 1}, not {pixels!r}")
    outputs = _inside(model, names)
    moved = np.zeros_like(x)
    moved[:, :, pixels:] = x[:, :, : width - pixels]
    changes: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for still, shifted in zip(_batches(x, batch_size), _batches(moved, batch_size), strict=True):
        before, after = outputs(still), outputs(shifted)
        for name in names:
            flat = before[name].reshape(len(still), -1)
            norm = np.linalg.norm(flat, axis=1)
            change = np.linalg.norm(after[name].reshape(flat.shape) - flat, axis=1)
            changes[name].append(change[norm > 0] / norm[norm > 0])
    return {name: float(np.mean(np.concatenate(changes[name]))) for name in names}


def channel_redundancy(
    model: keras.Model, x: Any, layer_names: Iterable[str], batch_size: int = 128
) -> dict[str, Redundancy]:
    """Redundancy of each layer's output channels, by layer name.

    Args:
        model: functional model.
        x: inputs, the batch first.
        layer_names: layers to look at.
        batch_size: examples per call.

    Raises:
        ValueError: an unknown layer, or one with a single channel.
    """
    names = list(layer_names)
    inside = _inside(model, names)
    outputs = [inside(batch) for batch in _batches(x, batch_size)]
    return {
        name: effective_rank.channel_redundancy(np.concatenate([o[name] for o in outputs]))
        for name in names
    }


def _has_activation(layer: keras.Layer) -> bool:
    if isinstance(layer, keras.layers.ReLU | keras.layers.LeakyReLU | keras.layers.PReLU):
        return True
    return getattr(layer, "activation", keras.activations.linear) is not keras.activations.linear


def _batches(x: Any, size: int) -> Iterable[Any]:
    return (x[start : start + size] for start in range(0, len(x), size))


def _inside(model: keras.Model, names: Sequence[str]) -> Callable[[Any], dict[str, np.ndarray]]:
    known = {layer.name: layer for layer in model.layers}
    for name in names:
        check_choice("layer_names", name, known)
    image = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    inside = keras.Model(image, {name: known[name].output for name in names})

    def outputs(x):
        values = inside(x, training=False)
        return {name: keras.ops.convert_to_numpy(value) for name, value in values.items()}

    return outputs
