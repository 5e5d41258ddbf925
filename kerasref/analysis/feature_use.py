"""Which earlier features a network with concatenations uses, by the size of its weights."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasref.layers import LearnedGroupConv2D

# Layers that leave a channel where it is.
_ONE_TO_ONE = (
    layers.Activation,
    layers.AveragePooling2D,
    layers.BatchNormalization,
    layers.Dropout,
    layers.GlobalAveragePooling2D,
    layers.MaxPooling2D,
    layers.ReLU,
)


@dataclasses.dataclass(frozen=True)
class Use:
    """How a layer uses one of the sources that it sees side by side.

    `source` is the layer whose output it is; `weight` the mean absolute weight of its channels,
    divided by that of all channels that the layer sees.
    """

    source: str
    weight: float


def feature_use(model: keras.Model) -> dict[str, list[Use]]:
    """The heat map of DenseNet's paper: for each layer that sees several sources, their uses.

    Sources are in the order of the channels, the farthest first; the layers are convolutions
    without groups, learned group convolutions (weights that are masked count as 0) and dense
    layers behind global pooling.

    Args:
        model: functional model with concatenations.

    Source: Huang et al. 2017, section 5 and figure 5.
    """
    table = {}
    for layer in model.layers:
        if not isinstance(layer, layers.Conv2D | layers.Dense | LearnedGroupConv2D):
            continue
        if getattr(layer, "groups", 1) > 1 and not isinstance(layer, LearnedGroupConv2D):
            continue
        sources = _sources(layer.input)
        if len(sources) > 1:
            by_channel = _by_channel(layer)
            ends = np.cumsum([channels for _, channels in sources])[:-1]
            parts = np.split(by_channel / by_channel.mean(), ends)
            table[layer.name] = [
                Use(name, float(part.mean()))
                for (name, _), part in zip(sources, parts, strict=True)
            ]
    return table


def near_minus_far(uses: list[Use]) -> float:
    """Mean weight of the nearer half of the sources less that of the farther half.

    Of an odd number the middle one counts for neither.
    """
    half = len(uses) // 2
    weights = [use.weight for use in uses]
    return statistics.fmean(weights[-half:]) - statistics.fmean(weights[:half])


def _sources(tensor: Any) -> list[tuple[str, int]]:
    """Name and channels of what is concatenated in `tensor`, in order."""
    layer = tensor._keras_history.operation
    if isinstance(layer, layers.Concatenate):
        return [source for part in layer.input for source in _sources(part)]
    if isinstance(layer, _ONE_TO_ONE):
        return _sources(layer.input)
    return [(layer.name, tensor.shape[-1])]


def _by_channel(layer: Any) -> np.ndarray:
    """Mean absolute weight of each input channel."""
    if isinstance(layer, LearnedGroupConv2D):
        return layer.importance().sum(axis=0) / layer.filters
    kernel = np.abs(keras.ops.convert_to_numpy(layer.kernel))
    return kernel.reshape(-1, *kernel.shape[-2:]).mean(axis=(0, 2))
