"""ShuffleNet v2's guidelines: memory access, who breaks which, where time goes (dlnotes 2.5.2)."""

from __future__ import annotations

import math
import statistics
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasref import models
from kerasref.analysis import counts


def memory_access(builder: str, arguments: dict[str, Any] | None = None) -> dict[str, float]:
    """Values that a probe's convolutions read and write. Ledger A2.5-6 to A2.5-8.

    Args:
        builder: `WidthProbe`, `GroupProbe` or another network of 1x1 convolutions.
        arguments: of the builder.

    Returns:
        `first`: input, output and weights of the first convolution; `formula_error`: difference of
        that from hw(c1 + c2) + c1 c2 / g; `bound`: 2 sqrt(hwB) + B / hw, for B
        multiply-accumulates, below which no convolution without groups stays; `above_bound`:
        `first` over `bound`; `macs` and `access` of all convolutions.
    """
    convolutions = _convolutions(_built(builder, arguments))
    layer = convolutions[0]
    _, height, width, c1 = layer.input.shape
    pixels, c2 = height * width, layer.filters
    work = pixels * c1 * c2 // layer.groups
    bound = 2 * math.sqrt(pixels * work) + work / pixels
    first = _access(layer)
    return {
        "first": first,
        "formula_error": first - pixels * (c1 + c2) - c1 * c2 // layer.groups,
        "bound": bound,
        "above_bound": first / bound,
        "macs": sum(
            math.prod(c.output.shape[1:3]) * math.prod(c.kernel.shape) for c in convolutions
        ),
        "access": sum(map(_access, convolutions)),
    }


def least_memory_access(product: int = 128 * 128, side: int = 56) -> dict[str, float]:
    """Tries every pair of widths with a given product, so with equal work. Ledger A2.5-6.

    Returns:
        `pairs` tried; `c1` and `c2` of the one with the least memory access; `least`.
    """
    pairs = [(c1, product // c1) for c1 in range(1, product + 1) if product % c1 == 0]
    access = {pair: side**2 * sum(pair) + product for pair in pairs}
    c1, c2 = min(access, key=access.get)
    return {"pairs": len(pairs), "c1": c1, "c2": c2, "least": access[c1, c2]}


def growth_with_groups(channels: int = 128, side: int = 56) -> dict[str, float]:
    """Memory access of a 1x1 convolution by its groups, the input and the work fixed.

    With g groups there are g times as many filters. Ledger A2.5-7.

    Returns:
        `doubling`: access of 2 groups over that of 1; `proportional`: 1 where that is 2, otherwise
        0; `per_group`: what each group adds;
        `line_error`: largest deviation of 1, 2, 4, 8 groups from a straight line; `line_start`:
        where that line is at no group.
    """
    groups, probe = (1, 2, 4, 8), {"channels": channels, "blocks": 1, "side": side}
    access = [
        memory_access("GroupProbe", {**probe, "groups": g, "filters": g * channels})["first"]
        for g in groups
    ]
    slope = access[1] - access[0]
    line = [access[0] + slope * (g - 1) for g in groups]
    return {
        "doubling": access[1] / access[0],
        "proportional": float(access[1] == 2 * access[0]),
        "per_group": slope,
        "line_error": max(abs(a - b) for a, b in zip(access, line, strict=True)),
        "line_start": access[0] - slope,
    }


def checklist(builder: str, arguments: dict[str, Any] | None = None) -> dict[str, float]:
    """What the guidelines speak of, counted on a network. Ledger A2.5-13.

    Args:
        builder: of `kerasref.models`.
        arguments: of the builder.

    Returns:
        `width_ratio` (G1): median over the 1x1 convolutions of the units of the larger over the
        smaller of their widths; `grouped` (G2): number of 1x1 convolutions in groups; `branches`
        and `median_branches` (G3): paths with convolutions of their own that meet at an addition or
        concatenation, at most and in the median; `breaks_g3`: 1 where the median is above 1,
        otherwise 0; `activated_depthwise` (G4): share of the depthwise
        convolutions that an activation follows; `additions`: of maps; `element_wise`: values that
        activations and additions write, for each 1,000 multiply-accumulates.
    """
    model = _built(builder, arguments)
    pointwise = [layer for layer in _convolutions(model) if layer.kernel_size == (1, 1)]
    inside = [layer for layer in pointwise if "block" in layer.name]
    ratios = [max(pair) / min(pair) for pair in ((c.input.shape[-1], c.filters) for c in inside)]
    junctions = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Add | keras.layers.Concatenate)
    ]
    branches = [_branches(layer) for layer in junctions] or [1]
    depthwise = [c for c in model.layers if isinstance(c, keras.layers.DepthwiseConv2D)]
    activations = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    behind = {_source(layer.input) for layer in activations}
    additions = [layer for layer in junctions if isinstance(layer, keras.layers.Add)]
    written = sum(math.prod(layer.output.shape[1:]) for layer in (*activations, *additions))
    return {
        "width_ratio": statistics.median(ratios),
        "grouped": sum(layer.groups > 1 for layer in pointwise),
        "branches": max(branches),
        "median_branches": statistics.median(branches),
        "breaks_g3": float(statistics.median(branches) > 1),
        "activated_depthwise": sum(c.name in behind for c in depthwise) / max(1, len(depthwise)),
        "additions": len(additions),
        "element_wise": 1000 * written / counts.count(model).macs,
    }


def convolution_share(
    builder: str,
    arguments: dict[str, Any] | None = None,
    side: int = 96,
    batch: int = 8,
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, float]:
    """Processor time of a network's convolutions and dense layers alone, over that of the network.

    The same layers, one after the other on inputs of the same shapes, without what lies between
    them: normalisation, activation, shuffle, addition, pooling, padding. Inference in Keras, which
    does not fold normalisation into convolutions. Ledger A2.5-11.

    Args:
        builder: of `kerasref.models`.
        arguments: of the builder.
        side: of the square images.
        batch: number of images.
        repeats: number of rounds; the medians count.
        seed: of the images.

    Returns:
        `share`; `milliseconds` and `convolution_milliseconds` for each image.
    """
    keras.utils.set_random_seed(seed)
    model = getattr(models, builder)(input_shape=(side, side, 3), **(arguments or {}))
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.SeparableConv2D
    layers = [c for c in model.layers if isinstance(c, kinds | keras.layers.Dense)]
    rng = np.random.default_rng(seed)
    images, *inputs = (
        tf.constant(rng.uniform(size=(batch, *shape)).astype("float32"))
        for shape in (model.input_shape[1:], *(layer.input.shape[1:] for layer in layers))
    )

    @tf.function
    def alone(inputs):
        outputs = []
        for layer, x in zip(layers, inputs, strict=True):
            with tf.control_dependencies(outputs[-1:]):
                outputs.append(layer(tf.identity(x)))
        return outputs

    whole = tf.function(lambda x: model(x, training=False))
    times = {"whole": [], "alone": []}
    for _ in range(repeats + 1):
        for name, call in (("whole", lambda: whole(images)), ("alone", lambda: alone(inputs))):
            began = time.process_time()
            call()
            times[name].append(time.process_time() - began)
    entire, part = (statistics.median(values[1:]) for values in times.values())
    return {
        "share": part / entire,
        "milliseconds": 1000 * entire / batch,
        "convolution_milliseconds": 1000 * part / batch,
    }


def _built(builder, arguments):
    with tf.Graph().as_default():
        return getattr(models, builder)(**(arguments or {}))


def _convolutions(model):
    return [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
        and not isinstance(layer, keras.layers.DepthwiseConv2D)
    ]


def _access(layer) -> int:
    values = (layer.input.shape[1:], layer.output.shape[1:], layer.kernel.shape)
    return sum(math.prod(shape) for shape in values)


def _source(tensor) -> str:
    """The layer that made `tensor`, seen through normalisation."""
    layer = tensor._keras_history.operation
    return (
        _source(layer.input) if isinstance(layer, keras.layers.BatchNormalization) else layer.name
    )


def _branches(junction) -> int:
    """Inputs of a junction that come through convolutions of their own."""
    convolved = [_ancestors(tensor) for tensor in junction.input]
    shared = set.intersection(*convolved)
    return sum(bool(ancestors - shared) for ancestors in convolved)


def _ancestors(tensor) -> set[str]:
    """Names of the convolutions before `tensor`."""
    found, waiting, seen = set(), [tensor], set()
    while waiting:
        layer = waiting.pop()._keras_history.operation
        if layer.name in seen:
            continue
        seen.add(layer.name)
        if hasattr(layer, "kernel_size"):
            found.add(layer.name)
        if not isinstance(layer, keras.layers.InputLayer):
            waiting += keras.tree.flatten(layer.input)
    return found
