"""MobileNetV2: inverted residuals with linear bottlenecks.

Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted residuals and linear bottlenecks, 2018,
table 2. A block with input of k channels and expansion t, dlnotes table 2.1:

| input            | operation                        | output            |
|------------------|----------------------------------|-------------------|
| h x w x k        | 1x1 convolution, BN, ReLU6       | h x w x tk        |
| h x w x tk       | 3x3 depthwise, stride s, BN, ReLU6 | h/s x w/s x tk  |
| h/s x w/s x tk   | 1x1 convolution, BN, linear      | h/s x w/s x k'    |

and, where s = 1 and k' = k, the input is added to the output. Trainable parameters and
multiply-accumulates at 224x224x3, 1,000 classes:

| alpha | parameters | MACs    |
|-------|------------|---------|
| 1.4   | 6,108,776  | 582.2 M |
| 1     | 3,504,872  | 300.8 M |
| 0.75  | 2,636,424  | 209.1 M |
| 0.5   | 1,968,680  | 97.1 M  |
| 0.35  | 1,677,128  | 59.3 M  |
"""

from __future__ import annotations

import keras

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, depthwise, norm_act
from kerasref.models.mobilenet import ACTIVATIONS

SHORTCUTS = ("bottleneck", "expansion", None)

# Filters, number of blocks and stride of the first, per stage. The first stage expands nothing.
STAGES = (
    (16, 1, 1),
    (24, 2, 2),
    (32, 3, 2),
    (64, 4, 2),
    (96, 3, 1),
    (160, 3, 2),
    (320, 1, 1),
)


def expand(x, expansion, name, *, activation="relu6", shortcut=None):
    """First step of a block: 1x1 convolution to `expansion` times the channels.

    Args:
        x: maps `(batch, height, width, channels)`.
        expansion: t, any number above 0; 1 leaves the step out.
        name: prefix of the layers' names, `<name>_expand` and so on.
        activation: `"relu6"` or `"relu"`, after the normalisation.
        shortcut: maps to add before the activation, or None.

    Returns:
        Maps `(batch, height, width, expansion * channels)`, channels rounded and at least 1.
    """
    if expansion == 1:
        return x
    x = conv(x, _widened(x, expansion), 1, f"{name}_expand")
    if shortcut is None:
        return norm_act(x, f"{name}_expand", activation=activation)
    x = norm_act(x, f"{name}_expand", activation=None)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.Activation(activation, name=f"{name}_expand_act")(x)


def project(x, filters, name, *, strides=1, activation="relu6", projection_activation="linear"):
    """The other steps of a block: 3x3 depthwise convolution, 1x1 convolution to `filters`.

    Args:
        x: maps `(batch, height, width, channels)`.
        filters: channels of the output.
        name: prefix of the layers' names, `<name>_depthwise` and so on.
        strides: of the depthwise convolution.
        activation: after the normalisation of the depthwise convolution.
        projection_activation: after that of the 1x1 convolution.

    Returns:
        Maps `(batch, height / strides, width / strides, filters)`, sides rounded up.
    """
    x = depthwise(x, 3, f"{name}_depthwise", strides=strides, padding="keras")
    x = norm_act(x, f"{name}_depthwise", activation=activation)
    x = conv(x, filters, 1, f"{name}_project")
    last = None if projection_activation == "linear" else projection_activation
    return norm_act(x, f"{name}_project", activation=last)


def mobilenet_v2(
    common,
    *,
    alpha=1.0,
    expansion=6,
    shortcut="bottleneck",
    activation="relu6",
    projection_activation="linear",
    dropout=0.0,
    stages=STAGES,
    stem=32,
    stem_strides=2,
    last=1280,
    default_shape=(224, 224, 3),
):
    """Generic MobileNetV2.

    Args:
        alpha: multiplies the filters of every layer, the last convolution's only from 1 on; the
            result is rounded to a multiple of 8 that is at most 10 % smaller.
        expansion: t, of the blocks behind the first stage, which has none; below 1 the middle of a
            block is thinner than its ends, as in a classic residual block.
        shortcut: what is added where the shapes agree: `"bottleneck"`, the block's input to its
            output; `"expansion"`, the wide maps of a block to those of the next, before their
            activation; or None.
        activation: `"relu6"` or `"relu"`, of the wide maps.
        projection_activation: of the blocks' outputs, before the addition: `"linear"`, `"relu"`
            or `"relu6"`.
        dropout: rate before the classifier.
        stages: filters, number of blocks and stride of the first block of each stage.
        stem: filters of the first convolution.
        stem_strides: of the first convolution.
        last: filters of the 1x1 convolution behind the blocks.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range.
    """
    check_choice("activation", activation, ACTIVATIONS)
    check_choice("projection_activation", projection_activation, ["linear", *ACTIVATIONS])
    check_choice("shortcut", shortcut, SHORTCUTS)
    for argument, number in (("alpha", alpha), ("expansion", expansion)):
        if not number > 0:
            raise ValueError(f"`{argument}` must be above 0, not {number!r}")
    start = common.start(default=default_shape, minimum=1)
    form = {"strides": stem_strides, "padding": "keras"}
    x = conv(start, divisible(stem * alpha), 3, "conv1", **form)
    x = norm_act(x, "conv1", activation=activation)
    wide = None  # the wide maps of the block before, while maps and channels stay the same
    for number, (factor, filters, strides) in enumerate(_blocks(stages, expansion), 1):
        name = f"block{number}"
        same_channels = wide is not None and wide.shape[-1] == _widened(x, factor)
        added = wide if shortcut == "expansion" and same_channels else None
        wide = expand(x, factor, name, activation=activation, shortcut=added)
        y = project(
            wide,
            divisible(int(filters * alpha)),
            name,
            strides=strides,
            activation=activation,
            projection_activation=projection_activation,
        )
        if shortcut == "bottleneck" and strides == 1 and x.shape[-1] == y.shape[-1]:
            y = keras.layers.Add(name=f"{name}_add")([x, y])
        x, wide = y, None if strides > 1 else wide
    x = norm_act(conv(x, divisible(last * max(alpha, 1)), 1, "last"), "last", activation=activation)
    return common.pooled(start, x, dropout=dropout)


def _widened(x, expansion):
    return max(1, round(expansion * x.shape[-1]))


def divisible(channels):
    """The multiple of 8 nearest to `channels`, or the next where that is over 10 % smaller."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _blocks(stages, expansion):
    """Expansion, filters and stride of each block."""
    for stage, (filters, number, strides) in enumerate(stages):
        for block in range(check_positive_integer("stages", number)):
            yield expansion if stage else 1, filters, 1 if block else strides


def _keras_layer(name):
    part, _, rest = name.partition("_")
    if part == "conv1":
        return "bn_Conv1" if rest else "Conv1"
    if part == "last":
        return "Conv_1_bn" if rest else "Conv_1"
    number, rest = int(part.removeprefix("block")), rest.replace("_bn", "_BN")
    return f"block_{number - 1}_{rest}" if number > 1 else f"expanded_conv_{rest}"


MobileNetV2 = building.variant(
    mobilenet_v2,
    "MobileNetV2",
    "MobileNetV2 of the paper: 3,504,872 trainable parameters; of any width.",
    building.Provenance(
        "Sandler et al. 2018, table 2; dlnotes 2.2.",
        ("M2.2g", "M2.2j", "T2.1", "A2.2-5", "A2.2-6", "A2.2-7"),
        "keras.applications; timm; torchvision",
        (
            "Strides pad as TensorFlow does, like the authors' code: more at the bottom and on "
            "the right of maps of even sides.",
        ),
    ),
    fixed={"stem": 32, "stem_strides": 2, "last": 1280, "default_shape": (224, 224, 3)},
    twin=building.Twin(
        "MobileNetV2",
        layers=_keras_layer,
        arguments=("alpha",),
        sides=(96, 128, 160, 192, 224),
    ),
)

MobileNetV2Small = building.variant(
    mobilenet_v2,
    "MobileNetV2Small",
    "MobileNetV2's shape for images of 14 to 32 pixels, to compare its parts in minutes.",
    building.Provenance(
        "kerasref; after Sandler et al. 2018.",
        ("A2.2-5", "A2.2-6", "A2.2-7"),
        "hand arithmetic",
        ("A first convolution without stride, seven blocks of 16 to 32 channels, 128 at the end.",),
    ),
    fixed={"stem": 32, "stem_strides": 1, "last": 128, "default_shape": (28, 28, 1)},
    stages=((16, 1, 1), (24, 3, 2), (32, 3, 2)),
    classes=10,
)
