"""Weights of a `keras.applications` network in a builder's model of the same architecture."""

from __future__ import annotations

import re
from collections.abc import Callable

import keras
import numpy as np


def transplant(source: keras.Model, target: keras.Model, names: Callable[[str], str] = str) -> None:
    """Copy the weights of `source` into `target`, so that both compute the same in inference.

    Layer by layer, by name. A dense layer takes the kernel of a 1x1 convolution. Three differences
    of form are folded into batch normalisation:

    | source                                   | target                              |
    |------------------------------------------|-------------------------------------|
    | bias of a layer that is normalised next  | taken off the moving mean           |
    | another epsilon                          | difference added to moving variance |
    | no scale (or no offset)                  | scale 1 (offset 0)                  |

    Layers that Keras named by itself (`conv2d_17`, `batch_normalization_4`) are numbered from 0 in
    the order in which they were made: `conv2d`, `conv2d_1` and so on.

    Args:
        source: network of `keras.applications`.
        target: of the same architecture.
        names: the name of the source's layer for the name of a layer of `target`.

    Raises:
        ValueError: a layer of `target` has no counterpart or one of another shape or kind, or a
            weight of `source` would be left over.
    """
    donors = _by_stable_name(source)
    used = set()
    spare_biases: dict[str, np.ndarray] = {}
    for layer in target.layers:
        if not layer.weights:
            continue
        name = names(layer.name)
        donor = donors.get(name)
        if donor is None:
            raise ValueError(f"{source.name} has no layer {name!r} for {layer.name!r}")
        used.add(name)
        if isinstance(layer, keras.layers.BatchNormalization):
            _copy_normalization(donor, layer, spare_biases.pop(_input_of(layer), 0.0))
        else:
            spare = _copy_kernel(donor, layer)
            if spare is not None:
                spare_biases[layer.name] = spare
    for name in spare_biases:
        raise ValueError(f"the bias for {name!r} has no place: no batch normalisation follows")
    for name, donor in donors.items():
        if name not in used:
            raise ValueError(f"{target.name} has no layer for {donor.name!r} of {source.name}")


def _by_stable_name(model: keras.Model) -> dict[str, keras.Layer]:
    """Layers with weights; names that Keras made up do not depend on earlier models."""
    named: dict[str, keras.Layer] = {}
    numbered: dict[str, list[tuple[int, keras.Layer]]] = {}
    for layer in model.layers:
        if not layer.weights:
            continue
        automatic = re.fullmatch(r"(conv2d|batch_normalization)(?:_(\d+))?", layer.name)
        if automatic:
            kind, number = automatic.groups(default="0")
            numbered.setdefault(kind, []).append((int(number), layer))
        else:
            named[layer.name] = layer
    for kind, layers in numbered.items():
        for place, (_, layer) in enumerate(sorted(layers, key=lambda pair: pair[0])):
            named[f"{kind}_{place}" if place else kind] = layer
    return named


def _input_of(layer: keras.Layer) -> str:
    return layer.input._keras_history.operation.name


def _copy_kernel(donor: keras.Layer, layer: keras.Layer) -> np.ndarray | None:
    """Kernels and biases; returns a bias that `layer` does not have."""
    values, shapes = donor.get_weights(), [tuple(weight.shape) for weight in layer.weights]
    spare = None
    if len(values) == len(shapes) + 1 and donor.use_bias and not layer.use_bias:
        *values, spare = values
    if isinstance(layer, keras.layers.Dense) and values[0].shape[:-2] == (1, 1):
        values[0] = values[0][0, 0]
    if [value.shape for value in values] != shapes:
        found = [weight.shape for weight in donor.weights]
        raise ValueError(f"{layer.name!r} has weights {shapes}, {donor.name!r} has {found}")
    layer.set_weights(values)
    return spare


def _copy_normalization(donor, layer, bias) -> None:
    if not isinstance(donor, keras.layers.BatchNormalization):
        raise ValueError(f"{layer.name!r} normalises, {donor.name!r} does not")
    if donor.moving_mean.shape != layer.moving_mean.shape:
        raise ValueError(
            f"{layer.name!r} has {layer.moving_mean.shape[0]} channels, "
            f"{donor.name!r} has {donor.moving_mean.shape[0]}"
        )
    layer.gamma.assign(donor.gamma if donor.scale else np.ones(layer.gamma.shape))
    layer.beta.assign(donor.beta if donor.center else np.zeros(layer.beta.shape))
    mean = np.asarray(keras.ops.convert_to_numpy(donor.moving_mean), "float64")
    variance = np.asarray(keras.ops.convert_to_numpy(donor.moving_variance), "float64")
    layer.moving_mean.assign(mean - bias)
    layer.moving_variance.assign(variance + (donor.epsilon - layer.epsilon))
