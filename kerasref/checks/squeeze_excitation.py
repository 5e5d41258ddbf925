"""What the gates of squeeze-and-excitation are, and what they cost (dlnotes 1.5)."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from kerasref import models
from kerasref.analysis import counts
from kerasref.analysis.weightless import weightless
from kerasref.layers import SqueezeExcitation


def formulas(channels: int = 64, ratio: int = 16) -> dict[str, float]:
    """The layer against Q1.21 to Q1.23 in float64. Ledger M1.5-1.

    Returns:
        `error`: largest deviation from the formulas; `spread`: largest difference of the factor
        that one channel's positions are multiplied by (E1.5-6: a scalar per channel); `factors`:
        numbers that an example of 7x5 maps is scaled by; `hidden_units` (E1.5-1).
    """
    keras.utils.set_random_seed(0)
    u = np.random.default_rng(0).normal(size=(4, 7, 5, channels))
    layer = SqueezeExcitation(ratio, dtype="float64")
    scaled = ops.convert_to_numpy(layer(u))
    w1, w2 = layer.get_weights()
    z = u.sum(axis=(1, 2)) / (7 * 5)
    s = 1 / (1 + np.exp(-np.maximum(z @ w1, 0) @ w2))
    factor = scaled / u
    return {
        "error": np.abs(scaled - s[:, None, None, :] * u).max(),
        "spread": np.ptp(factor, axis=(1, 2)).max(),
        "factors": layer.gates(u).shape[-1],
        "hidden_units": w1.shape[-1],
    }


def gates(examples: int = 64, channels: int = 256) -> dict[str, float]:
    """Gates for random maps, beside a softmax over the same channels. Ledger A1.5-8.

    The maps are those of a ReLU whose channels are active to another degree in each example.

    Returns:
        `smallest` and `largest` gate; `sum_error`: smallest |sum - 1| over the examples, and
        `softmax_sum_error`, the largest such error of the softmax; `emphasised` and
        `softmax_emphasised`: mean number of channels above 1/2; `input_change`: smallest, over
        the pairs of examples, of their largest difference of a gate.
    """
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    level = rng.normal(size=(examples, 1, 1, channels))
    u = np.maximum(rng.normal(level, 1.0, size=(examples, 8, 8, channels)), 0)
    layer = SqueezeExcitation(dtype="float64")
    layer.build(u.shape)
    s = ops.convert_to_numpy(layer.gates(u))
    softmax = ops.convert_to_numpy(ops.softmax(np.log(s / (1 - s))))
    apart = np.abs(s[:, None] - s).max(axis=-1)
    return {
        "smallest": s.min(),
        "largest": s.max(),
        "sum_error": np.abs(s.sum(axis=1) - 1).min(),
        "softmax_sum_error": np.abs(softmax.sum(axis=1) - 1).max(),
        "emphasised": (s > 0.5).sum(axis=1).mean(),
        "softmax_emphasised": (softmax > 0.5).sum(axis=1).mean(),
        "input_change": apart[~np.eye(examples, dtype=bool)].min(),
    }


def anywhere() -> dict[str, float]:
    """The layer after a convolution, BN, ReLU, pooling, a concatenation, an image. Ledger A1.5-9.

    Returns:
        `places`; `shapes_kept`: share of them where the output has the shape of the input;
        `maps_only`: largest deviation between the layer behind what made the maps and the layer
        on the same maps given as numbers.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 10, 3))
    convolution = keras.layers.Conv2D(32, 3)(image)
    normalised = keras.layers.BatchNormalization()(convolution)
    places = [
        image,
        convolution,
        normalised,
        keras.layers.ReLU()(normalised),
        keras.layers.MaxPooling2D(3)(convolution),
        keras.layers.Concatenate()([convolution, normalised]),
        keras.layers.GlobalAveragePooling2D(keepdims=True)(convolution),
    ]
    x = np.random.default_rng(0).normal(size=(4, *image.shape[1:])).astype("float32")
    kept, error = 0, 0.0
    for maps in places:
        layer = SqueezeExcitation(ratio=4)
        both = keras.Model(image, [maps, layer(maps)])(x)
        given, behind = (ops.convert_to_numpy(y) for y in both)
        kept += given.shape == behind.shape
        error = max(error, np.abs(ops.convert_to_numpy(layer(given)) - behind).max())
    return {"places": len(places), "shapes_kept": kept / len(places), "maps_only": error}


def cost(builder: str = "SEResNet50", plain: str = "ResNet50") -> dict[str, float]:
    """What squeeze, excitation and scale add to a network. Ledger A1.5-2, A1.5-3, X1.5-1.

    Args:
        builder: network with SE layers.
        plain: the same without.

    Returns:
        `plain_macs`; what SE adds per example: `excitation_macs` (dense layers), `scale_products`
        and `squeeze_sums`; `products`, the network's own multiply-accumulates with those of
        excitation and scale; `added_params` and `added_percent`, all, and the same without the
        SE layers of the last stage as `early_params` and `early_percent`; of the last SE layer
        `last_values` (numbers in its maps), `last_compression` (maps' values per gate, H x W)
        and `last_hidden_units`; `first_values` and `first_compression` of the first.
    """
    network, without = (weightless(getattr(models, name)) for name in (builder, plain))
    total, base = counts.count(network), counts.count(without)
    layers = [layer for layer in network.layers if isinstance(layer, SqueezeExcitation)]
    values = [math.prod(layer.output.shape[1:]) for layer in layers]
    width = max(layer.output.shape[-1] for layer in layers)
    early = sum(layer.count_params() for layer in layers if layer.output.shape[-1] < width)
    added = total.params - base.params
    first, last = layers[0], layers[-1]
    return {
        "plain_macs": base.macs,
        "excitation_macs": total.macs - base.macs,
        "scale_products": sum(values),
        "squeeze_sums": sum(values),
        "products": total.macs + sum(values),
        "added_params": added,
        "added_percent": 100 * added / base.trainable,
        "early_params": early,
        "early_percent": 100 * early / base.trainable,
        "first_values": values[0],
        "first_compression": values[0] / first.output.shape[-1],
        "last_values": values[-1],
        "last_compression": values[-1] / last.output.shape[-1],
        "last_hidden_units": last.dense_layers[0].units,
    }
