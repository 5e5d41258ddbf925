"""ShuffleNet v1.

Zhang, Zhou, Lin, Sun: ShuffleNet: an extremely efficient convolutional neural network for mobile
devices, 2018, table 1. Widths of the three stages, parameters that train and multiply-accumulates
at 224x224x3 with 1,000 classes; the paper's MFLOPs leave out the classifier:

| groups | widths         | trainable | MACs        | paper, MFLOPs |
|--------|----------------|-----------|-------------|---------------|
| 1      | 144, 288, 576  | 1,531,936 | 143,078,976 | 143           |
| 2      | 200, 400, 800  | 1,733,848 | 140,836,512 | 140           |
| 3      | 240, 480, 960  | 1,865,728 | 137,460,672 | 137           |
| 4      | 272, 544, 1088 | 1,968,344 | 134,339,776 | 133           |
| 8      | 384, 768, 1536 | 2,434,768 | 138,365,952 | 137           |
"""

from __future__ import annotations

import keras

from kerasref.layers import ChannelShuffle
from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import average_pool, conv, depthwise, max_pool, norm_act

WIDTHS = {
    1: (144, 288, 576),
    2: (200, 400, 800),
    3: (240, 480, 960),
    4: (272, 544, 1088),
    8: (384, 768, 1536),
}

STEMS = ("imagenet", "small")


def first_layers(x, channels, kind):
    """3x3 convolution to `channels`, normalisation and ReLU.

    The kind `"imagenet"` has stride 2 and a 3x3 max pooling with stride 2 behind, `"small"`
    neither.
    """
    check_choice("stem", kind, STEMS)
    strides = 2 if kind == "imagenet" else 1
    x = norm_act(conv(x, channels, 3, "conv1_conv", strides=strides), "conv1")
    return max_pool(x, 3, 2, "pool1") if kind == "imagenet" else x


def stage_widths(widths, units, scale):
    """Widths of as many stages as `units` names, times `scale`; rounded down.

    Raises:
        ValueError: no stage, more stages than widths, a number that is not positive, or a width
            that scales to nothing.
    """
    for number in (*units, *widths):
        check_positive_integer("units and widths", number)
    if not 1 <= len(units) <= len(widths):
        raise ValueError(f"`units` must have 1 to {len(widths)} numbers, one a stage, not {units}")
    scaled = [int(width * scale) for width in widths[: len(units)]]
    if min(scaled) < 1:
        raise ValueError(f"`scale` must leave at least one channel of {widths}, not {scale!r}")
    return scaled


def unit(x, filters, groups, name, *, strides=1, first=False, shuffle=True, relu=False):
    """1x1 grouped convolution, shuffle, 3x3 depthwise convolution, 1x1 grouped convolution.

    With stride 1 the input is added; with stride 2 its average pooling (3x3) is concatenated.
    ReLU follows the first convolution and the junction.

    Args:
        x: maps `(batch, height, width, channels)`.
        filters: channels of the output.
        groups: of the 1x1 convolutions.
        name: prefix of the layers' names, `<name>_1_conv` and so on.
        strides: of the depthwise convolution, 1 or 2.
        first: whether the first convolution has no groups; then there is nothing to shuffle.
        shuffle: whether to shuffle the channels.
        relu: whether ReLU follows the depthwise convolution too.

    Returns:
        Maps `(batch, height / strides, width / strides, filters)`.

    Raises:
        ValueError: `groups` does not divide the channels, or `filters` are not more than those of
            the input with stride 2.
    """
    channels = x.shape[-1]
    rest = filters if strides == 1 else filters - channels
    inner = max(groups, filters // 4 // groups * groups)
    if rest < 1 or rest % groups or (channels % groups and not first):
        raise ValueError(
            f"`groups`: {groups} must divide the channels before and after the convolutions of "
            f"{name}, {channels} and {rest}"
        )
    y = conv(x, inner, 1, f"{name}_1_conv", groups=1 if first else groups)
    y = norm_act(y, f"{name}_1")
    if shuffle and groups > 1 and not first:
        y = ChannelShuffle(groups, name=f"{name}_shuffle")(y)
    y = depthwise(y, 3, f"{name}_2_conv", strides=strides)
    y = norm_act(y, f"{name}_2", activation="relu" if relu else None)
    y = norm_act(conv(y, rest, 1, f"{name}_3_conv", groups=groups), f"{name}_3", activation=None)
    if strides == 1:
        x = keras.layers.Add(name=f"{name}_add")([x, y])
    else:
        x = average_pool(x, 3, strides, f"{name}_0_pool")
        x = keras.layers.Concatenate(name=f"{name}_concat")([x, y])
    return keras.layers.Activation("relu", name=f"{name}_out")(x)


def shufflenet(
    common,
    *,
    groups=3,
    scale=1.0,
    units=(4, 8, 4),
    widths=None,
    shuffle=True,
    relu_after_depthwise=False,
    stem="imagenet",
    stem_channels=None,
):
    """Generic ShuffleNet v1.

    Args:
        groups: of the 1x1 convolutions; but the first one of all has none, as its channels are
            few. One group makes the unit that of a residual network with depthwise convolutions.
        scale: multiplies all numbers of filters; rounded down.
        units: number of units in each stage; the first of a stage halves the maps.
        widths: channels of the stages before scaling; None for the paper's, by `groups`. A unit's
            inner convolution has a quarter of them, rounded down to a multiple of `groups`.
        shuffle: whether to shuffle channels behind each unit's first grouped convolution.
        relu_after_depthwise: whether ReLU follows the depthwise convolutions.
        stem: `"imagenet"` (3x3 with stride 2, max pooling) or `"small"` (3x3 alone).
        stem_channels: channels of the stem; None for 24 times `scale`.

    Raises:
        ValueError: an argument out of its range, or `groups` that do not divide the channels.
    """
    check_positive_integer("groups", groups)
    if widths is None:
        widths = WIDTHS[check_choice("groups", groups, WIDTHS)]
    scaled = stage_widths(widths, units, scale)
    channels = int(24 * scale) if stem_channels is None else stem_channels
    check_positive_integer("stem_channels", channels)
    start = common.start(default=(224, 224, 3), minimum=1)
    x = first_layers(start, channels, stem)
    for stage, (number, filters) in enumerate(zip(units, scaled, strict=True), 2):
        for block in range(1, number + 1):
            x = unit(
                x,
                filters,
                groups,
                f"stage{stage}_block{block}",
                strides=2 if block == 1 else 1,
                first=(stage, block) == (2, 1),
                shuffle=shuffle,
                relu=relu_after_depthwise,
            )
    return common.pooled(start, x)


ShuffleNet = building.variant(
    shufflenet,
    "ShuffleNet",
    "ShuffleNet v1; by default 1x with 3 groups: 224x224x3, 1,865,728 trainable parameters.",
    building.Provenance(
        reference="Zhang et al. 2018, table 1; dlnotes 2.5.1.",
        ledger=("M2.5b", "M2.5c", "M2.5d", "M2.5e", "A2.5-3", "A2.5-4", "A2.5-5"),
        counts="imgclsmob; hand arithmetic; Zhang et al. 2018, table 1 (MFLOPs)",
        deviations=(
            "No shuffle behind the first 1x1 convolution, which has no groups: it would rename "
            "channels and no more.",
            "Average pooling counts the zeros of its padding, as the authors' code does.",
            "He-normal initial weights; the paper names none.",
        ),
    ),
)
