"""What depthwise-separable convolutions and MobileNet's blocks compute and cost (dlnotes 2.2)."""

from __future__ import annotations

import re

import keras
import numpy as np
import tensorflow as tf

from kerasref import models
from kerasref.analysis import counts
from kerasref.models.mobilenet_v2 import expand, project


def separable_cost(
    channels: int = 64, filters: int = 128, kernel: int = 3, side: int = 28
) -> dict[str, float]:
    """Counts a plain convolution and its depthwise-separable form, without biases.

    Ledger A2.2-1, M2.2a, M2.2b, M2.2c (Q2.1 to Q2.4).

    Args:
        channels: M, of the input.
        filters: N, of the output.
        kernel: D_K, side of the window.
        side: D_W and D_H, of the maps.

    Returns:
        `plain_params`, `depthwise_params`, `pointwise_params`; `plain_macs` and `separable_macs`;
        `param_ratio` and `mac_ratio`, separable over plain; `formula`, 1/N + 1/D_K^2;
        `depthwise_ratio`, multiply-accumulates of the depthwise part alone over plain.
    """
    image = keras.Input((side, side, channels))
    plain = keras.layers.Conv2D(filters, kernel, padding="same", use_bias=False)
    depthwise = keras.layers.DepthwiseConv2D(kernel, padding="same", use_bias=False)
    pointwise = keras.layers.Conv2D(filters, 1, use_bias=False)
    whole = counts.count(keras.Model(image, plain(image)))
    first = counts.count(keras.Model(image, depthwise(image)))
    parts = counts.count(keras.Model(image, pointwise(depthwise(image))))
    return {
        "plain_params": whole.params,
        "depthwise_params": first.params,
        "pointwise_params": parts.params - first.params,
        "plain_macs": whole.macs,
        "separable_macs": parts.macs,
        "param_ratio": parts.params / whole.params,
        "mac_ratio": parts.macs / whole.macs,
        "formula": 1 / filters + 1 / kernel**2,
        "depthwise_ratio": first.macs / whole.macs,
    }


def separable_identity(channels: int = 6, filters: int = 5) -> dict[str, float]:
    """The parts against their formulas, and together against one plain convolution.

    The depthwise kernel times the pointwise one, of every window position, channel and filter, is
    a kernel of a plain 3x3 convolution. Ledger M2.2a, M2.2b, M2.2c (Q2.2).

    Returns:
        `depthwise_error`: largest deviation of the depthwise layer from a sum over the window
        alone; `depthwise_channels` of its output, and `depthwise_mixed`, the share of (input,
        output) channels of which the second changes with the first; `pointwise_mixed`, likewise;
        `composed_error`: largest deviation of both from the plain convolution.
    """
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 5, channels)).astype("float32")
    depthwise = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)
    pointwise = keras.layers.Conv2D(filters, 1, use_bias=False)
    maps = np.asarray(depthwise(x))
    found = np.asarray(pointwise(maps))
    (window,), (mixing,) = depthwise.get_weights(), pointwise.get_weights()
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    by_window = sum(
        padded[:, i : i + 7, j : j + 5] * window[i, j, :, 0] for i in range(3) for j in range(3)
    )
    plain = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)
    plain.build(x.shape)
    plain.set_weights([window * mixing[0]])
    return {
        "depthwise_error": np.abs(maps - by_window).max(),
        "depthwise_channels": maps.shape[-1],
        "depthwise_mixed": _mixed(depthwise, x, channels),
        "pointwise_mixed": _mixed(pointwise, x, filters),
        "composed_error": np.abs(found - np.asarray(plain(x))).max(),
    }


def block_table(
    height: int = 28,
    width: int = 20,
    channels: int = 8,
    filters: int = 12,
    expansion: float = 6,
    strides: int = 1,
) -> dict[str, float]:
    """The book's table 2.1 from a built block. Ledger T2.1, M2.2g.

    Args:
        height: h of the input.
        width: w of the input.
        channels: k of the input.
        filters: k' of the output.
        expansion: t.
        strides: s.

    Returns:
        for each row, `expand`, `depthwise` and `project`: `<row>_height`, `<row>_width` and
        `<row>_channels` of its output; `<row>_least` and `<row>_most`, its smallest and largest
        value on large random inputs, which tell ReLU6 from a linear output.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((height, width, channels))
    wide = expand(image, expansion, "block")
    out = project(wide, filters, "block", strides=strides)
    model = keras.Model(image, out)
    rows = {"expand": "block_expand_act", "depthwise": "block_depthwise_act"}
    outputs = {row: model.get_layer(name).output for row, name in rows.items()} | {"project": out}
    x = np.random.default_rng(0).normal(scale=20, size=(4, height, width, channels))
    found = {}
    for row, maps in keras.Model(image, outputs)(x.astype("float32")).items():
        values = np.asarray(maps)
        found |= dict(
            zip((f"{row}_height", f"{row}_width", f"{row}_channels"), values.shape[1:], strict=True)
        )
        found |= {f"{row}_least": values.min(), f"{row}_most": values.max()}
    return found


def replaced_layers() -> dict[str, float]:
    """What the book's MobileNet saves on its plain network, in the layers that differ.

    Ledger N2.8-1, A2.2-1, A2.2-2 (figure 2.8).

    Returns:
        `plain` and `mobilenet`, parameters of the whole networks; `plain_replaced` and
        `mobilenet_replaced`, those of convolutions 2 to 4; `ratio`, the second over the first;
        `plain_macs`, `mobilenet_macs` and `mac_ratio`, likewise of multiply-accumulates.
    """
    found = {}
    for name, builder in (
        ("plain", models.SimpleNaiveConvNet),
        ("mobilenet", models.SimpleMobileNetV1),
    ):
        with tf.Graph().as_default():
            table = counts.layer_table(builder())
        replaced = [
            row for row in table if re.fullmatch("(conv|depthwise|pointwise)[234]", row.name)
        ]
        found[name] = sum(row.params for row in table)
        found[f"{name}_replaced"] = sum(row.params for row in replaced)
        found[f"{name}_macs"] = sum(row.macs for row in replaced)
    found["ratio"] = found["mobilenet_replaced"] / found["plain_replaced"]
    found["mac_ratio"] = found["mobilenet_macs"] / found["plain_macs"]
    return found


def spindle_or_hourglass() -> dict[str, float]:
    """Channels of a residual block's middle over those of its ends, in both networks.

    Ledger M2.2k, M2.2g.

    Returns:
        `resnet_middle`: of ResNet-50's blocks, and `resnet_spread` between them;
        `mobilenet_middle`: of the blocks of MobileNetV2 that have a shortcut, and
        `mobilenet_spread`.
    """
    with tf.Graph().as_default():
        resnet, mobilenet = models.ResNet50(), models.MobileNetV2()
    found = {}
    for name, model, suffix in (
        ("resnet", resnet, "_2_conv"),
        ("mobilenet", mobilenet, "_depthwise"),
    ):
        ratios = [
            model.get_layer(layer.name.removesuffix("_add") + suffix).output.shape[-1]
            / layer.output.shape[-1]
            for layer in model.layers
            if layer.name.endswith("_add")
        ]
        found |= {f"{name}_middle": np.mean(ratios), f"{name}_spread": np.ptp(ratios)}
    return found


def relu6() -> dict[str, float]:
    """Keras's ReLU6 against Q2.5, min(max(0, x), 6). Ledger A2.2-9.

    Returns:
        `error`: largest deviation; `largest` value.
    """
    x = np.linspace(-20, 20, 4001)
    y = np.asarray(keras.activations.relu6(x))
    return {"error": np.abs(y - np.minimum(np.maximum(0, x), 6)).max(), "largest": y.max()}


def _mixed(layer, x, outputs: int) -> float:
    """Share of (input, output) channels of which the second changes with the first."""
    before, mixed = np.asarray(layer(x)), 0
    for channel in range(x.shape[-1]):
        disturbed = x.copy()
        disturbed[..., channel] += 1.0
        changed = np.asarray(layer(disturbed)) != before
        mixed += np.count_nonzero(changed.any(axis=(0, 1, 2)))
    return mixed / (x.shape[-1] * outputs)
