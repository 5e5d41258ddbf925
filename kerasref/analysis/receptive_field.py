"""Receptive fields from the graph of a Keras model: how much of the image one output pixel sees."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
from keras import layers

from kerasref.layers.arguments import check_choice


class ReceptiveField(NamedTuple):
    """Of one output pixel, in pixels of the input.

    `size`: side of what it sees, padding included; infinite behind layers that see all positions.
    `jump`: distance between what neighbouring output pixels see.
    """

    size: float
    jump: int


def receptive_field(model: keras.Model, layer_name: str, axis: int = 0) -> ReceptiveField:
    """Receptive field of a layer's output.

    Each window of `k` pixels with stride `s` adds `(k - 1) * jump` to the size and multiplies the
    jump by `s`. Where paths meet, the largest size counts. Layers that keep height and width are
    taken to work pixel by pixel, unless they pool globally or say otherwise: a layer of one's own
    may state its window in an attribute `receptive_window`, `(kernel, stride)`, with an infinite
    kernel where it sees all positions.

    Args:
        model: functional model on one image `(batch, height, width, channels)`.
        layer_name: a layer of it.
        axis: 0 for height, 1 for width.

    Raises:
        ValueError: an unknown layer, paths of different strides that meet, or a layer that changes
            height or width in a way that is not known.

    Source: dlnotes 1.2 (the recursion, from the last layer back), ledger A1.2-6.
    """
    by_name = {layer.name: layer for layer in model.layers}
    check_choice("layer_name", layer_name, by_name)
    wanted = by_name[layer_name]
    found: dict[int, ReceptiveField] = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            seen = [found[id(tensor)] for tensor in node.input_tensors]
            field = _through(node, seen, axis) if seen else ReceptiveField(1, 1)
            for tensor in node.outputs:
                found[id(tensor)] = field
            if node.operation is wanted:
                return field
    raise ValueError(f"{model.name} does not call {layer_name!r}")


def _through(node: Any, seen: list[ReceptiveField], axis: int) -> ReceptiveField:
    layer = node.operation
    before = ReceptiveField(max(field.size for field in seen), seen[0].jump)
    # What has seen everything is the same everywhere and fits any stride.
    jumps = {field.jump for field in seen if math.isfinite(field.size)}
    if len(jumps) > 1:
        raise ValueError(f"{layer.name}: paths of strides {sorted(jumps)} meet")
    if jumps:
        before = before._replace(jump=jumps.pop())
    kernel, stride = _window(node, axis)
    if math.isinf(kernel):
        return ReceptiveField(math.inf, before.jump)
    return ReceptiveField(before.size + (kernel - 1) * before.jump, before.jump * stride)


def _window(node: Any, axis: int) -> tuple[float, int]:
    """Kernel (dilation included) and stride of a call."""
    layer = node.operation
    if hasattr(layer, "receptive_window"):
        return layer.receptive_window
    if any(len(tensor.shape) != 4 for tensor in node.outputs) or isinstance(layer, _GLOBAL):
        return math.inf, 1
    if not isinstance(layer, _ENLARGING):
        if hasattr(layer, "kernel_size"):
            dilation = _along(getattr(layer, "dilation_rate", 1), axis)
            kernel = (_along(layer.kernel_size, axis) - 1) * dilation + 1
            return kernel, _along(getattr(layer, "strides", 1), axis)
        if hasattr(layer, "pool_size"):
            kernel = _along(layer.pool_size, axis)
            return kernel, _along(getattr(layer, "strides", kernel), axis)
        sides = {tuple(tensor.shape)[1:3] for tensor in node.input_tensors}
        kept = all(tuple(tensor.shape)[1:3] in sides for tensor in node.outputs)
        if kept or isinstance(layer, _MARGINS):
            return 1, 1
    raise ValueError(f"{layer.name}: {type(layer).__name__} has no known window")


def _along(value: int | tuple[int, int], axis: int) -> int:
    return value if isinstance(value, int) else value[axis]


_GLOBAL = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
_ENLARGING = (layers.Conv2DTranspose, layers.UpSampling2D)
_MARGINS = (layers.ZeroPadding2D, layers.Cropping2D)
