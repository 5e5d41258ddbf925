"""What shuffles and shuffled units do and cost (dlnotes 2.5.1 and 2.5.3)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from kerasref import models
from kerasref.analysis import counts
from kerasref.layers import ChannelShuffle, ChannelSplit
from kerasref.models import resnet_units, shufflenet, shufflenet_v2
from kerasref.models.blocks import conv, depthwise

BOOK_ORDER = (0, 3, 6, 1, 4, 7, 2, 5, 8)


def shuffle(groups: int = 3, channels: int = 9) -> dict[str, float]:
    """Channel shuffle against the book's example and listing, its inverse and its gradient.

    Ledger M2.5a.

    Returns:
        `misplaced`: channels of the book's example that are not where it says; `listing_error`:
        largest difference from reshaping to `(height, width, groups, channels / groups)`, axes
        permuted and reshaped back, as in the book; `inverse_error`: after shuffling back;
        `gradient_error`: of the gradient from the permutation's transpose.
    """
    example = ops.convert_to_numpy(ChannelShuffle(3)(np.arange(9.0, dtype="float32")[None]))
    rng = np.random.default_rng(0)
    shape = (2, 5, 4, channels)
    x, upstream = (rng.normal(size=shape).astype("float32") for _ in range(2))
    listing = x.reshape(2, 5, 4, groups, channels // groups).transpose(0, 1, 2, 4, 3).reshape(shape)
    layer = ChannelShuffle(groups)
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = layer(variable)
    order = np.arange(channels).reshape(groups, -1).T.ravel()
    gradient = np.empty_like(x)
    gradient[..., order] = upstream
    return {
        "misplaced": (example[0] != BOOK_ORDER).sum(),
        "listing_error": np.abs(y - listing).max(),
        "inverse_error": np.abs(ChannelShuffle(channels // groups)(y) - x).max(),
        "gradient_error": np.abs(tape.gradient(y, variable, upstream) - gradient).max(),
    }


def one_element_wise_operation(channels: int = 16) -> dict[str, float]:
    """Concatenation, shuffle and the next split of ShuffleNet v2 as one choice of channels.

    Ledger M2.5f.

    Returns:
        `error`: largest difference of the three layers from picking channels by two lists of
        indices; `computed`: values that are not one of the inputs.
    """
    half = channels // 2
    left, right = np.random.default_rng(0).normal(size=(2, 3, 4, 5, half)).astype("float32")
    joined = ChannelShuffle(2)(keras.layers.Concatenate()([left, right]))
    parts = [ops.convert_to_numpy(part) for part in ChannelSplit(half)(joined)]
    picked = np.stack([left, right], axis=-1).reshape(3, 4, 5, channels)
    return {
        "error": max(
            np.abs(parts[0] - picked[..., :half]).max(), np.abs(parts[1] - picked[..., half:]).max()
        ),
        "computed": (~np.isin(np.concatenate(parts), [left, right])).sum(),
    }


def unit_costs(
    channels: int = 256, bottleneck: int = 64, groups: int = 8, side: int = 28
) -> dict[str, float]:
    """Multiply-accumulates of the units of ResNet, ResNeXt and ShuffleNet, counted on the builders.

    Ledger A2.5-2.

    Args:
        channels: c, before and after the unit; four times `bottleneck`, as the units have it.
        bottleneck: m.
        groups: g.
        side: h = w.

    Returns:
        `resnet`, `resnext`, `shufflenet`; `<unit>_error`: differences from hw(2cm + 9m^2),
        hw(2cm + 9m^2 / g) and hw(2cm / g + 9m).
    """
    c, m, g = channels, bottleneck, groups
    bottlenecks = [resnet_units.Style(bottleneck=True, groups=number) for number in (1, g)]
    units = {
        "resnet": lambda x: resnet_units.unit(x, "unit", bottlenecks[0], filters=m),
        "resnext": lambda x: resnet_units.unit(x, "unit", bottlenecks[1], filters=m),
        "shufflenet": lambda x: shufflenet.unit(x, c, g, "unit"),
    }
    formulas = {
        "resnet": 2 * c * m + 9 * m**2,
        "resnext": 2 * c * m + 9 * m**2 / g,
        "shufflenet": 2 * c * m / g + 9 * m,
    }
    found = {name: _macs(unit, (side, side, c)) for name, unit in units.items()}
    errors = {f"{name}_error": found[name] - side**2 * formulas[name] for name in units}
    return found | errors


def separable_costs(
    channels: int = 64, filters: int = 128, groups: int = 4, side: int = 14
) -> dict[str, float]:
    """A depthwise separable convolution, without and with groups in its 1x1 convolution.

    Ledger A2.5-1; equations 2.9 and 2.10.

    Returns:
        `error`: difference of its multiply-accumulates from 9hwc1 + hwc1c2; `grouped_error`: with
        groups from 9hwc1 + hwc1c2 / g; `ratio`: of the 1x1 convolution's to those of the depthwise
        one, which is c2 / 9; `grouped_ratio`: c2 / 9g.
    """
    pixels = side**2
    plain, grouped = (
        _macs(
            lambda x, number=number: conv(
                depthwise(x, 3, "depthwise"), filters, 1, "pointwise", groups=number
            ),
            (side, side, channels),
        )
        for number in (1, groups)
    )
    windows = 9 * pixels * channels
    return {
        "error": plain - windows - pixels * channels * filters,
        "grouped_error": grouped - windows - pixels * channels * filters / groups,
        "ratio": (plain - windows) / windows,
        "grouped_ratio": (grouped - windows) / windows,
    }


def pointwise_share(builder: str, arguments: dict[str, Any] | None = None) -> dict[str, float]:
    """Who multiplies in a network of depthwise separable convolutions. Ledger A2.5-1.

    Args:
        builder: of `kerasref.models`.
        arguments: of the builder.

    Returns:
        `pointwise` and `depthwise`: shares of 1x1 and of depthwise convolutions in all
        multiply-accumulates; `ratio`: of the two.
    """
    with tf.Graph().as_default():
        model = getattr(models, builder)(**(arguments or {}))
        table = counts.layer_table(model)
    windows = {
        layer.name: layer.kernel_size
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    total = sum(row.macs for row in table)
    pointwise = sum(row.macs for row in table if windows.get(row.name) == (1, 1))
    depthwise = sum(row.macs for row in table if row.kind == "DepthwiseConv2D")
    return {
        "pointwise": pointwise / total,
        "depthwise": depthwise / total,
        "ratio": pointwise / depthwise,
    }


def reuse(channels: int = 128, units: int = 6, shuffle: bool = True) -> dict[str, float]:
    """How many channels of a ShuffleNet v2 unit pass through j further units as they are.

    The convolved branches of units with stride 1 are made to give zeros; what arrives then are the
    channels that no convolution touched. Ledger A2.5-12.

    Args:
        channels: c, of the units.
        units: number of them.
        shuffle: as in the network, or without.

    Returns:
        `after_1`, `after_2` and so on: number of channels of the first unit's input that all j
        units pass on; `changed`: values of those channels that differ from the input's.
    """
    keras.utils.set_random_seed(0)
    start = x = keras.Input((3, 3, channels))
    outputs = []
    for number in range(1, units + 1):
        x = shufflenet_v2.unit(x, channels, f"unit{number}", shuffle=shuffle)
        outputs.append(x)
    model = keras.Model(start, outputs)
    for number in range(1, units + 1):
        scale = model.get_layer(f"unit{number}_3_bn").gamma
        scale.assign(np.zeros(scale.shape))
    maps = np.random.default_rng(0).uniform(1, 2, size=(2, 3, 3, channels)).astype("float32")
    found, changed = {}, 0
    sent = {maps[..., channel].tobytes() for channel in range(channels)}
    for number, output in enumerate(model(maps), 1):
        y = ops.convert_to_numpy(output)
        arrived = [y[..., c].tobytes() for c in range(channels) if y[..., c].any()]
        found[f"after_{number}"] = len(arrived)
        changed += len(set(arrived) - sent)
    return {**found, "changed": changed}


def _macs(unit, shape) -> int:
    with tf.Graph().as_default():
        x = keras.Input(shape)
        return counts.count(keras.Model(x, unit(x))).macs
