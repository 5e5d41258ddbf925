"""ResNet as D2L tells it: function classes, blocks, shapes (D2L 7.6)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kerasref.analysis import lesions
from kerasref.models import ResNet18D2L, ResNetCIFAR
from kerasref.models.resnet_units import Style, unit

_D2L = {"use_bias": True, "projection_norm": False}


def function_classes(largest: int = 8, points: int = 64) -> dict[str, float]:
    """Best functions within growing classes, nested and not.

    The target is a step; a class is the span of some cosines, and its best function the least
    squares fit. Nested classes keep the cosines they had; the others take ever more, but new ones.
    Ledger D2L-C14, D2L-E4, D2L-A38, D2L-F8.

    Returns:
        `nested_rises` and `other_rises`: how often a larger class had a larger error;
        `nested_inclusions`: classes that contain the one before; `beaten`: how often one of 1,000
        other functions of a class was better than its best.
    """
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, points)
    target = (t > 0.3).astype(float)
    nested = [range(size) for size in range(1, largest + 1)]
    other = [
        range(size * (size - 1) // 2, size * (size + 1) // 2) for size in range(1, largest + 1)
    ]
    beaten = 0

    def errors(classes):
        nonlocal beaten
        found = []
        for frequencies in classes:
            basis = np.cos(np.pi * np.outer(t, list(frequencies)))
            best, *_ = np.linalg.lstsq(basis, target, rcond=None)
            error = np.mean((basis @ best - target) ** 2)
            members = best + rng.normal(scale=0.1, size=(1000, len(best)))
            beaten += np.any(np.mean((members @ basis.T - target) ** 2, axis=1) < error - 1e-12)
            found.append(error)
        return np.array(found)

    return {
        "nested_rises": np.sum(np.diff(errors(nested)) > 1e-9),
        "other_rises": np.sum(np.diff(errors(other)) > 1e-9),
        "nested_inclusions": sum(set(a) < set(b) for a, b in itertools.pairwise(nested)),
        "beaten": beaten,
    }


def block(
    filters: int = 3,
    strides: int = 1,
    input_shape: Sequence[int] = (6, 6, 3),
    batch: int = 4,
    bottleneck: bool = False,
    order: str = "original",
) -> dict[str, float]:
    """One residual block on random maps.

    Ledger D2L-C15, D2L-K29 to D2L-K31, D2L-B7b, D2L-B7c.

    Returns:
        `params` (trainable); `height`, `width` and `channels` of the output;
        `relus_before_addition`; where the block keeps the shape, `below_input`, the fraction of
        outputs below the block's input, which would be 0 if the residual ended in a ReLU.
    """
    model = _model(filters, strides, input_shape, bottleneck=bottleneck, order=order)
    x = np.random.default_rng(0).uniform(size=(batch, *input_shape)).astype("float32")
    y = np.asarray(model(x, training=True))
    _, height, width, channels = y.shape
    names = [layer.name for layer in model.layers]
    before = names[: names.index("block_add")]
    found = {
        "params": _size(model),
        "height": height,
        "width": width,
        "channels": channels,
        "relus_before_addition": sum(name.endswith("_act") for name in before),
    }
    return found | ({"below_input": np.mean(y < x)} if y.shape == x.shape else {})


def resnext_block(
    channels: int = 32, group_width: int = 16, ratio: float = 1.0
) -> dict[str, float]:
    """D2L's ResNeXt block of 1x1, grouped 3x3 and 1x1 convolutions. Ledger D2L-M10, D2L-C27.

    Returns:
        `params` (trainable), `groups` (read off the grouped kernel: channels of the block over
        those that one filter sees) and `height`, `width`, `channels` of the output for 96x96.
    """
    inner = round(channels * ratio)
    style = Style(
        bottleneck=True,
        inner=4 * inner // channels,
        groups=inner // group_width,
        stride_on="3x3",
        **_D2L,
    )
    image = keras.Input((96, 96, channels))
    model = keras.Model(image, unit(image, "block", style, filters=channels // 4))
    kernel = model.get_layer("block_2_conv").kernel
    _, height, width, outputs = model.output_shape
    return {
        "params": _size(model),
        "groups": kernel.shape[3] / kernel.shape[2],
        "height": height,
        "width": width,
        "channels": outputs,
    }


def residual_mapping() -> dict[str, float]:
    """A block against its residual branch alone, and against nothing.

    Ledger D2L-E5, D2L-A39, D2L-F9.

    Returns:
        `mapping_error`: largest deviation of (f(x) before the last ReLU) - x from the output of
        the plain block of the same weights before its ReLU; `identity_error`: largest change that
        the block makes to maps of no negative values when its residual's weights are 0;
        `plain_change`: the same for the plain block.
    """
    keras.utils.set_random_seed(0)
    shape = (6, 6, 4)
    x = np.random.default_rng(0).uniform(size=(4, *shape)).astype("float32")
    block_, plain = (_model(4, 1, shape, shortcut=kind) for kind in ("identity", None))
    plain.set_weights(block_.get_weights())
    sums = keras.Model(block_.input, block_.get_layer("block_add").output)(x)
    branch = keras.Model(plain.input, plain.get_layer("block_2_bn").output)(x)
    for model in (block_, plain):
        for name in ("block_2_conv", "block_2_bn"):
            for weight in model.get_layer(name).trainable_weights:
                weight.assign(np.zeros(weight.shape))
    return {
        "mapping_error": np.abs(np.asarray(sums) - x - np.asarray(branch)).max(),
        "identity_error": np.abs(np.asarray(block_(x)) - x).max(),
        "plain_change": np.abs(np.asarray(plain(x)) - x).max(),
    }


def added_layers(shallow: int = 8, deep: int = 20) -> dict[str, float]:
    """A deep ResNet that computes what a shallow one computes. Ledger D2L-A40, D2L-B7.

    The units that both have get the shallow network's weights, the others residuals of 0. So the
    deep network's least training error cannot be above the shallow one's.

    Returns:
        `added_units`; `output_change`, the largest difference between the two networks' outputs;
        `random_change`, the same while the added units have random weights.
    """
    keras.utils.set_random_seed(0)
    small, large = (ResNetCIFAR(depth=depth, input_shape=(16, 16, 3)) for depth in (shallow, deep))
    common = {layer.name for layer in small.layers}
    for layer in large.layers:
        if layer.name in common:
            layer.set_weights(small.get_layer(layer.name).get_weights())
    added = [name for name in lesions.parts(large) if name not in lesions.parts(small)]
    x = np.random.default_rng(0).uniform(size=(4, 16, 16, 3)).astype("float32")
    expected = np.asarray(small(x))
    before = np.abs(np.asarray(large(x)) - expected).max()
    with lesions.without(large, added):
        after = np.abs(np.asarray(large(x)) - expected).max()
    return {"added_units": len(added), "output_change": after, "random_change": before}


def shape_errors() -> dict[str, float]:
    """Whether a shortcut without 1x1 convolution can be added. Ledger D2L-A44, D2L-F10.

    Returns:
        1 where Keras refuses to add, 0 where it does not: `same` shapes, other `channels`, another
        `size`, and `projected`, both changed but with a 1x1 convolution on the shortcut.
    """

    def refused(shape, other):
        try:
            keras.layers.Add()([keras.Input(shape), keras.Input(other)])
        except ValueError:
            return 1.0
        return 0.0

    shape = (6, 6, 3)
    projected = _model(6, 2, shape)
    return {
        "same": refused(shape, shape),
        "channels": refused(shape, (6, 6, 6)),
        "size": refused(shape, (3, 3, 3)),
        "projected": refused(projected.output_shape[1:], (3, 3, 6)),
    }


def stages(side: int) -> dict[str, float]:
    """Parameters and maps of D2L's ResNet-18, part by part.

    Ledger D2L-T7, D2L-M8, D2L-A42, D2L-K32 to D2L-K36.

    Returns:
        `stem`, `module_1` to `module_4` and `head`: trainable parameters; `<part>_side` and
        `<part>_channels` of the maps; `layers`: convolutions and dense layers, 1x1 shortcuts not
        counted.
    """
    model = ResNet18D2L(input_shape=(side, side, 1))
    ends = {"stem": "pool1"}
    ends |= {f"module_{number}": f"conv{number + 1}_block2_out_act" for number in range(1, 5)}
    found = {}
    for part, last in ends.items():
        _, height, _, channels = model.get_layer(last).output.shape
        found |= {f"{part}_side": height, f"{part}_channels": channels}
    for layer in model.layers:
        stage = int(layer.name[4]) if layer.name.startswith("conv") else 0
        part = {0: "head", 1: "stem"}.get(stage, f"module_{stage - 1}")
        found[part] = found.get(part, 0) + _size(layer)
    weighted = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    return {**found, "layers": sum(not name.endswith("_0_conv") for name in weighted)}


def concatenation() -> dict[str, float]:
    """Inception's concatenation with a 1x1 convolution behind it, against ResNet's addition.

    Ledger D2L-B7d.

    Returns:
        `sum_error`: largest deviation of a 1x1 convolution of two concatenated branches from the
        sum of two 1x1 convolutions; `shortcut_error`: of the same, with the unit matrix in both
        halves of the kernel, from the sum of the branches; `channels_added` and
        `channels_concatenated`: of two branches with 4 channels.
    """
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 2, 6, 6, 4))
    kernel = rng.normal(size=(1, 1, 8, 4))
    both = np.concatenate([first, second], axis=-1)
    eye = np.concatenate([np.eye(4), np.eye(4)])[None, None]

    def conv(x, weights):
        return np.asarray(ops.conv(x, weights, data_format="channels_last"))

    parts = conv(first, kernel[:, :, :4]) + conv(second, kernel[:, :, 4:])
    return {
        "sum_error": np.abs(conv(both, kernel) - parts).max(),
        "shortcut_error": np.abs(conv(both, eye) - (first + second)).max(),
        "channels_added": (first + second).shape[-1],
        "channels_concatenated": both.shape[-1],
    }


def _size(layer):
    return sum(math.prod(weight.shape) for weight in layer.trainable_weights)


def _model(filters, strides, shape, **style):
    image = keras.Input(shape)
    style = Style(**_D2L, **style)
    return keras.Model(image, unit(image, "block", style, filters=filters, strides=strides))
