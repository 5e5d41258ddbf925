"""ShuffleNet v2.

Ma, Zhang, Zheng, Sun: ShuffleNet V2: practical guidelines for efficient CNN architecture design,
2018, table 5. Widths of the three stages and of the last convolution, parameters that train and
multiply-accumulates at 224x224x3 with 1,000 classes:

| scale | widths              | trainable | MACs        | paper, MFLOPs and parameters |
|-------|---------------------|-----------|-------------|------------------------------|
| 0.5   | 48, 96, 192, 1024   | 1,366,792 | 40,476,448  | 41, 1.4 M                    |
| 1     | 116, 232, 464, 1024 | 2,278,604 | 144,907,992 | 146, 2.3 M                   |
| 1.5   | 176, 352, 704, 1024 | 3,503,624 | 295,759,392 | 299, 3.5 M                   |
| 2     | 244, 488, 976, 2048 | 7,393,996 | 583,253,464 | 591, 7.4 M                   |
"""

from __future__ import annotations

import keras

from kerasref.layers import ChannelShuffle, ChannelSplit
from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, depthwise, norm_act
from kerasref.models.shufflenet import first_layers, stage_widths

WIDTHS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}


def unit(x, filters, name, *, strides=1, shuffle=True):
    """Two branches of half the channels each, concatenated, then shuffled.

    With stride 1 the first half of the channels passes as it is, the other through a 1x1, a 3x3
    depthwise and a 1x1 convolution. With stride 2 both branches see all channels, and the first is
    a 3x3 depthwise and a 1x1 convolution. ReLU follows the 1x1 convolutions alone.

    Args:
        x: maps `(batch, height, width, channels)`; with stride 1 of `filters` channels.
        filters: channels of the output, an even number.
        name: prefix of the layers' names, `<name>_1_conv` and so on.
        strides: 1 or 2.
        shuffle: whether to shuffle the channels.

    Returns:
        Maps `(batch, height / strides, width / strides, filters)`.
    """
    half = filters // 2
    if strides == 1:
        left, right = ChannelSplit(half, name=f"{name}_split")(x)
    else:
        left = norm_act(
            depthwise(x, 3, f"{name}_0_depthwise", strides=strides), f"{name}_0a", activation=None
        )
        left, right = norm_act(conv(left, half, 1, f"{name}_0_conv"), f"{name}_0"), x
    right = norm_act(conv(right, half, 1, f"{name}_1_conv"), f"{name}_1")
    right = depthwise(right, 3, f"{name}_2_conv", strides=strides)
    right = norm_act(right, f"{name}_2", activation=None)
    right = norm_act(conv(right, half, 1, f"{name}_3_conv"), f"{name}_3")
    x = keras.layers.Concatenate(name=f"{name}_concat")([left, right])
    return ChannelShuffle(2, name=f"{name}_shuffle")(x) if shuffle else x


def shufflenet_v2(
    common,
    *,
    scale=1.0,
    units=(4, 8, 4),
    widths=None,
    shuffle=True,
    stem="imagenet",
    stem_channels=24,
):
    """Generic ShuffleNet v2.

    Args:
        scale: 0.5, 1, 1.5 or 2, the paper's widths; not used where `widths` are given.
        units: number of units in each stage; the first of a stage halves the maps.
        widths: even numbers of channels of the stages, then of the last 1x1 convolution; None for
            the paper's.
        shuffle: whether to shuffle channels behind each unit.
        stem: `"imagenet"` (3x3 with stride 2, max pooling) or `"small"` (3x3 alone).
        stem_channels: channels of the stem.

    Raises:
        ValueError: an argument out of its range, or an odd width.
    """
    if widths is None:
        widths = WIDTHS[check_choice("scale", scale, WIDTHS)]
    *stages, last = widths
    filters = stage_widths(stages, units, 1)
    check_positive_integer("stem_channels and widths", stem_channels)
    check_positive_integer("stem_channels and widths", last)
    for number in filters:
        if number % 2:
            raise ValueError(f"`widths` of stages must be even, not {number}")
    start = common.start(default=(224, 224, 3), minimum=1)
    x = first_layers(start, stem_channels, stem)
    for stage, (number, channels) in enumerate(zip(units, filters, strict=True), 2):
        for block in range(1, number + 1):
            name = f"stage{stage}_block{block}"
            x = unit(x, channels, name, strides=2 if block == 1 else 1, shuffle=shuffle)
    x = norm_act(conv(x, last, 1, "conv5_conv"), "conv5")
    return common.pooled(start, x)


ShuffleNetV2 = building.variant(
    shufflenet_v2,
    "ShuffleNetV2",
    "ShuffleNet v2; by default 1x: 224x224x3, 2,278,604 trainable parameters.",
    building.Provenance(
        reference="Ma et al. 2018, table 5; dlnotes 2.5.3.",
        ledger=("M2.5f", "M2.5g", "M2.5h", "A2.5-10", "A2.5-12"),
        counts="torchvision; hand arithmetic",
        deviations=(
            "The first half of the shuffled channels passes, as in torchvision; the authors' code "
            "lets every other one pass instead, so that the order of the channels is another.",
            "He-normal initial weights; the paper names none.",
        ),
    ),
)
