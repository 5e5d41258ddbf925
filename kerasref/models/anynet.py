"""AnyNet and its disciplined members, RegNetX and RegNetY.

Radosavovic, Kosaraju, Girshick, He, Dollar: Designing network design spaces, 2020.

| network              | stem | depths     | widths           | group width | trainable parameters |
|----------------------|------|------------|------------------|-------------|----------------------|
| RegNetX-200MF (paper)| 32   | 1, 1, 4, 7 | 24, 56, 152, 368 | 8           | 2,684,792            |
| RegNetX-32 (D2L)     | 32   | 4, 6       | 32, 80           | 16          | 179,290              |
| RegNetY-32           | 32   | 4, 6       | 32, 80           | 16          | 200,538              |

The bottleneck ratio is 1 in all three.
"""

from __future__ import annotations

import keras

from kerasref.layers import SqueezeExcitation
from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, norm_act


def anynet(
    common,
    *,
    stem_channels=32,
    depths=(1, 1, 4, 7),
    widths=(24, 56, 152, 368),
    bottleneck_ratios=1,
    group_widths=8,
    block="resnext",
    se_ratio=None,
    use_bias=False,
    kernel_initializer="he_normal",
    default_shape=(224, 224, 3),
):
    """Generic AnyNet: stem, stages of blocks that each halve the maps, pooling and classifier.

    Args:
        stem_channels: channels of the stem, a 3x3 convolution with stride 2.
        depths: number of blocks of each stage.
        widths: channels of each stage.
        bottleneck_ratios: a stage's width over that of its 3x3 convolutions; one number for all
            stages or one for each.
        group_widths: channels of a group of the 3x3 convolutions, likewise.
        block: `"resnext"` (1x1, grouped 3x3, 1x1 convolution) or `"resnet"` (3x3 and 3x3; ratios
            and group widths then play no part).
        se_ratio: reduction ratio of squeeze-and-excitation after each block's last 3x3
            convolution; None for none.
        use_bias: whether convolutions have a bias.
        kernel_initializer: of the convolutions.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, a list of another length than `depths`, or a
            width that its ratio or group width does not divide.
    """
    check_choice("block", block, _BLOCKS)
    stages = len(depths)
    if not stages:
        raise ValueError("`depths` must name at least one stage")
    depths, widths, ratios, groups = (
        _for_each_stage(argument, value, stages)
        for argument, value in (
            ("depths", depths),
            ("widths", widths),
            ("bottleneck_ratios", bottleneck_ratios),
            ("group_widths", group_widths),
        )
    )
    options = {"use_bias": use_bias, "kernel_initializer": kernel_initializer}
    start = common.start(default=default_shape, minimum=1)
    x = norm_act(conv(start, stem_channels, 3, "stem_conv", strides=2, **options), "stem")
    for stage, (depth, width, ratio, group) in enumerate(
        zip(depths, widths, ratios, groups, strict=True), 1
    ):
        for number in range(1, depth + 1):
            name, strides = f"stage{stage}_block{number}", 2 if number == 1 else 1
            y = _BLOCKS[block](x, width, ratio, group, se_ratio, strides, name, options)
            if strides > 1:
                x = conv(x, width, 1, f"{name}_0_conv", strides=strides, **options)
                x = norm_act(x, f"{name}_0", activation=None)
            x = keras.layers.Add(name=f"{name}_add")([x, y])
            x = keras.layers.Activation("relu", name=f"{name}_out")(x)
    return common.pooled(start, x)


def _resnext(x, width, ratio, group, se_ratio, strides, name, options):
    inner = width // ratio
    if width % ratio or inner % group:
        raise ValueError(
            f"`widths`: {width} is not a multiple of bottleneck ratio {ratio} x group width {group}"
        )
    x = norm_act(conv(x, inner, 1, f"{name}_1_conv", **options), f"{name}_1")
    grouped = {"strides": strides, "groups": inner // group, **options}
    x = norm_act(conv(x, inner, 3, f"{name}_2_conv", **grouped), f"{name}_2")
    if se_ratio:
        x = SqueezeExcitation(se_ratio, name=f"{name}_se")(x)
    x = conv(x, width, 1, f"{name}_3_conv", **options)
    return norm_act(x, f"{name}_3", activation=None)


def _resnet(x, width, ratio, group, se_ratio, strides, name, options):
    x = norm_act(conv(x, width, 3, f"{name}_1_conv", strides=strides, **options), f"{name}_1")
    x = norm_act(conv(x, width, 3, f"{name}_2_conv", **options), f"{name}_2", activation=None)
    return SqueezeExcitation(se_ratio, name=f"{name}_se")(x) if se_ratio else x


_BLOCKS = {"resnext": _resnext, "resnet": _resnet}


def _for_each_stage(argument, value, stages):
    values = (value,) * stages if isinstance(value, int) else tuple(value)
    if len(values) != stages:
        raise ValueError(f"`{argument}` must have {stages} numbers, one a stage, not {value!r}")
    return [check_positive_integer(argument, number) for number in values]


AnyNet = building.variant(
    anynet,
    "AnyNet",
    "AnyNet of any depths, widths, bottleneck ratios and group widths; by default RegNetX-200MF.",
    building.Provenance(
        reference="Radosavovic et al. 2020, section 3; D2L 8.8 (English edition).",
        ledger=("D2L-C22", "D2L-C23", "D2L-M12"),
        counts="pycls (RegNetX-200MF, 400MF, 800MF, 1.6GF)",
    ),
    fixed={"use_bias": False, "kernel_initializer": "he_normal", "default_shape": (224, 224, 3)},
)

_D2L = {
    "use_bias": True,
    "kernel_initializer": "glorot_uniform",
    "default_shape": (96, 96, 1),
}
_D2L_DEVIATIONS = ("Convolutions have biases and Glorot-uniform weights, unlike the paper.",)

RegNetX32 = building.variant(
    anynet,
    "RegNetX32",
    "RegNetX-32 as D2L has it: 96x96x1, two stages, 179,290 trainable parameters.",
    building.Provenance(
        reference="D2L 8.8 (English edition); after Radosavovic et al. 2020.",
        ledger=("D2L-M13", "D2L-T10", "D2L-B9a", "D2L-B9b"),
        counts="d2l.md, table D2L-T10",
        deviations=_D2L_DEVIATIONS,
    ),
    fixed=_D2L,
    depths=(4, 6),
    widths=(32, 80),
    group_widths=16,
    classes=10,
)

RegNetY32 = building.variant(
    anynet,
    "RegNetY32",
    "RegNetX-32 with squeeze-and-excitation: 200,538 trainable parameters.",
    building.Provenance(
        reference="D2L 8.8 (English edition) names it; Radosavovic et al. 2020, section 4.",
        ledger=("D2L-C22", "D2L-A56"),
        counts="hand arithmetic",
        deviations=(
            *_D2L_DEVIATIONS,
            "Squeezes to a quarter of the 3x3 convolution's channels, without biases; the paper to "
            "a quarter of the block's input, with biases.",
        ),
    ),
    fixed=_D2L,
    depths=(4, 6),
    widths=(32, 80),
    group_widths=16,
    se_ratio=4,
    classes=10,
)
