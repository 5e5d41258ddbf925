"""From Inception modules to separable convolutions: what they compute and cost (dlnotes 2.3)."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kerasref.analysis import counts
from kerasref.layers import GroupedConv2D
from kerasref.models.inception_modules import Conv, Style, apply, split
from kerasref.models.xception import Separable

_RELU = Style(norm=None)


def equivalence(channels: int = 8, between: int = 12, filters: int = 18) -> dict[str, float]:
    """A simple Inception module (figure 2.14) against its equivalent (2.15), weights copied.

    Three branches of 1x1 and 3x3 convolutions with biases and ReLUs, concatenated, against one 1x1
    convolution whose channels are split into three groups with a 3x3 convolution each. Ledger
    M2.3a, M2.3b, A2.3-3.

    Args:
        channels: of the input.
        between: channels behind all 1x1 convolutions, a multiple of 3.
        filters: channels of the output, likewise.

    Returns:
        Largest deviation of an output, relative to the largest output: `split_error`, of slices
        and three convolutions; `grouped_error`, of one grouped convolution; `shifted_difference`,
        of the latter where each group sees the channels of the next. `weights` of the module.
    """
    keras.utils.set_random_seed(0)
    branch = (Conv(between // 3), Conv(filters // 3, 3))
    image = keras.Input((7, 6, channels))
    module = keras.Model(image, apply(image, split(branch, branch, branch), "m", _RELU))
    for weight in module.weights:
        if weight.name == "bias":
            weight.assign(np.linspace(-0.5, 0.5, weight.shape[0]))
    ones = [module.get_layer(f"m_b{number}_1").get_weights() for number in (1, 2, 3)]
    threes = [module.get_layer(f"m_b{number}_2").get_weights() for number in (1, 2, 3)]
    one, three = (
        [np.concatenate(parts, axis=-1) for parts in zip(*weights, strict=True)]
        for weights in (ones, threes)
    )
    x = np.random.default_rng(0).normal(size=(2, 7, 6, channels)).astype("float32")
    first = _layer(layers.Conv2D(between, 1, activation="relu"), one, x)
    pieces = [
        _layer(layers.Conv2D(filters // 3, 3, padding="same", activation="relu"), weights, piece)
        for weights, piece in zip(threes, np.split(first, 3, axis=-1), strict=True)
    ]
    settings = {"padding": "same", "groups": 3, "activation": "relu"}
    grouped, shifted = (
        _layer(GroupedConv2D(filters, 3, **settings), three, maps)
        for maps in (first, np.roll(first, between // 3, axis=-1))
    )
    expected = ops.convert_to_numpy(module(x))
    scale = np.abs(expected).max()
    return {
        "split_error": np.abs(np.concatenate(pieces, axis=-1) - expected).max() / scale,
        "grouped_error": np.abs(grouped - expected).max() / scale,
        "shifted_difference": np.abs(shifted - expected).max() / scale,
        "weights": sum(int(np.prod(w.shape)) for w in module.weights if w.name == "kernel"),
    }


def extreme(channels: int = 6, filters: int = 10) -> dict[str, float]:
    """As many branches as channels, and a separable convolution. Ledger M2.3c.

    Each branch is a 1x1 convolution to one channel and a 3x3 convolution of it, without biases and
    with a ReLU after the first. The other side is what `Xception` makes of
    `order="pointwise_first", intermediate_activation="relu"`.

    Returns:
        `error`: largest deviation relative to the largest output; `branches`; `weights`.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((7, 6, channels))
    separable = keras.Model(image, Separable("pointwise_first", "relu")(image, filters, "s"))
    matrix = separable.get_layer("s_pointwise").get_weights()[0]
    windows = separable.get_layer("s_depthwise").get_weights()[0]
    x = np.random.default_rng(0).normal(size=(2, 7, 6, channels)).astype("float32")
    outputs = []
    for number in range(filters):
        one = layers.Conv2D(1, 1, use_bias=False, activation="relu")
        maps = _layer(one, [matrix[..., number : number + 1]], x)
        three = layers.Conv2D(1, 3, padding="same", use_bias=False)
        outputs.append(_layer(three, [windows[:, :, number : number + 1]], maps))
    expected = np.concatenate(outputs, axis=-1)
    return {
        "error": np.abs(ops.convert_to_numpy(separable(x)) - expected).max()
        / np.abs(expected).max(),
        "branches": len(outputs),
        "weights": separable.count_params(),
    }


def costs(channels: int = 256, between: int = 96, filters: int = 96) -> dict[str, float]:
    """Weights of one pair of 1x1 and 3x3 convolutions in three degrees of separation.

    Counted on the layers, without biases. Ledger A2.3-1, A2.3-2.

    Args:
        channels: m, of the input.
        between: k1, behind all 1x1 convolutions; a multiple of 3.
        filters: k2, of the output; likewise.

    Returns:
        `plain`, `simple` (three branches) and `extreme` (1x1 to k2 channels and a window for each):
        numbers of weights. `simple_ratio` and `extreme_ratio`, over `plain`; `ratio_3x3`, of the
        3x3 convolutions of `simple` and `plain`. `formula_errors`: how many of the three differ
        from m k1 + 9 k1 k2, m k1 + 3 k1 k2 and m k2 + 9 k2.
    """
    style = Style()  # its convolutions have no bias
    plain, simple = (
        _kernels(lambda x, step=step: apply(x, step, "m", style), channels)
        for step in (
            split((Conv(between), Conv(filters, 3))),
            split(*[(Conv(between // 3), Conv(filters // 3, 3))] * 3),
        )
    )
    extreme = _kernels(lambda x: Separable("pointwise_first")(x, filters, "s"), channels)
    m, k1, k2 = channels, between, filters
    expected = (m * k1 + 9 * k1 * k2, m * k1 + 3 * k1 * k2, m * k2 + 9 * k2)
    totals = [sum(sizes.values()) for sizes in (plain, simple, extreme)]
    return {
        "plain": totals[0],
        "simple": totals[1],
        "extreme": totals[2],
        "simple_ratio": totals[1] / totals[0],
        "extreme_ratio": totals[2] / totals[0],
        "ratio_3x3": simple[3] / plain[3],
        "formula_errors": sum(a != b for a, b in zip(totals, expected, strict=True)),
    }


def _kernels(make, channels):
    """Weights of convolutions by the size of their window."""
    with tf.Graph().as_default():
        image = keras.Input((8, 8, channels))
        model = keras.Model(image, make(image))
        table = counts.layer_table(model)
    sizes: dict[int, int] = {}
    for row in table:
        if row.macs:
            window = model.get_layer(row.name).kernel_size[0]
            sizes[window] = sizes.get(window, 0) + row.params
    return sizes


def _layer(layer, weights, x):
    """What `layer` with these weights makes of `x`."""
    layer.build(x.shape)
    layer.set_weights(weights)
    return ops.convert_to_numpy(layer(x))
