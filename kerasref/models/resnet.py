"""ResNet for ImageNet: v1, full pre-activation ("V2"), ResNeXt and D2L's ResNet-18.

He, Zhang, Ren, Sun: Deep residual learning for image recognition, 2016 (2016a), table 1; Identity
mappings in deep residual networks, 2016 (2016b); Xie et al.: Aggregated residual transformations
for deep neural networks, 2017. Trainable parameters at 224x224x3, 1,000 classes:

| network    | units       | v1         | pre-activation |
|------------|-------------|------------|----------------|
| ResNet-18  | 2, 2, 2, 2  | 11,689,512 | 11,687,720     |
| ResNet-34  | 3, 4, 6, 3  | 21,797,672 | 21,795,880     |
| ResNet-50  | 3, 4, 6, 3  | 25,557,032 | 25,568,360     |
| ResNet-101 | 3, 4, 23, 3 | 44,549,160 | 44,577,896     |
| ResNet-152 | 3, 8, 36, 3 | 60,192,808 | 60,236,904     |

ResNeXt-50 (32x4d) has 25,028,904, ResNeXt-101 44,177,704 (32x4d) or 83,455,272 (64x4d).
ResNet-34 without projections, like its plain counterpart, has 21,623,848.
"""

from __future__ import annotations

from collections.abc import Mapping

from kerasref.layers.arguments import check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import max_pool
from kerasref.models.resnet_units import ORDERS, Style, unit


def resnet(
    common,
    *,
    blocks,
    width=64,
    order="original",
    shortcut="identity",
    scales=(0.5, 0.5),
    gate_bias=-6.0,
    shortcut_dropout=0.5,
    transition="projection",
    stride_on="1x1",
    groups=1,
    inner=1,
    form="C",
    norm="batch",
    se=None,
    bottleneck=False,
    stem="imagenet",
    stride_in="first",
    use_bias=False,
    projection_norm=True,
    kernel_initializer="he_normal",
    default_shape=(224, 224, 3),
):
    """Generic ResNet.

    Args:
        blocks: number of units in each stage.
        width: filters of the first convolution and of the first stage; each further stage has
            twice those of the one before.
        order: `"original"`, `"bn_after_addition"`, `"relu_before_addition"`,
            `"relu_only_preactivation"` or `"preactivation"` (He et al. 2016b, figure 4 a to e).
        shortcut: `"identity"`, `"scaling"`, `"exclusive_gating"`, `"shortcut_gating"`, `"conv"`,
            `"dropout"` (He et al. 2016b, figure 2 a to f), or None for the plain network.
        scales: with `"scaling"`, the factors of shortcut and residual.
        gate_bias: initial bias of the gates.
        shortcut_dropout: rate with `"dropout"`.
        transition: where a unit changes the number of channels, `"projection"` (1x1 convolution)
            or `"zero_pad"` (sub-sampling and channels of zeros, no parameters).
        stride_on: convolution of a bottleneck that has the stride, `"1x1"` (the first) or
            `"3x3"`.
        groups: of the 3x3 convolution of a bottleneck.
        inner: multiplies the filters of a bottleneck's first two convolutions; the last has four
            times those of the stage.
        form: of a bottleneck with groups. `"C"`: one grouped convolution; `"B"`: a path of
            convolutions for each group, concatenated before the last 1x1; `"A"`: the last 1x1 in
            each path too, and the paths summed (Xie et al. 2017, figure 3). All compute the same.
        norm: `"batch"`, `"lrn"` or None.
        se: arguments of `kerasref.layers.SqueezeExcitation`, applied to each residual before the
            addition; one mapping for all stages, or a sequence with a mapping or None for each.
        bottleneck: 1x1, 3x3 and 1x1 convolutions in a unit, instead of two of 3x3.
        stem: `"imagenet"` (7x7 with stride 2, max pooling) or `"cifar"` (3x3).
        stride_in: unit that halves the maps between two stages: `"first"` of the second stage, or
            `"last"` of the first.
        use_bias: of the convolutions; `"unnormalised"` for those that no normalisation follows.
        projection_norm: whether a projection has the normalisation that the residual ends in.
        kernel_initializer: of the convolutions.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, or `se` for another number of stages.
    """
    style = Style(
        bottleneck=bottleneck,
        groups=groups,
        inner=inner,
        form=form,
        order=order,
        shortcut=shortcut,
        scales=scales,
        gate_bias=gate_bias,
        shortcut_dropout=shortcut_dropout,
        transition=transition,
        projection_norm=projection_norm,
        stride_on=stride_on,
        norm=norm,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer,
    )
    for number in (*blocks, width, groups):
        check_positive_integer("blocks, width and groups", number)
    grouped = inner * width / groups
    if bottleneck and (grouped < 0.5 or abs(grouped - round(grouped)) > 1e-9):
        raise ValueError(
            f"`inner` times `width` must be a multiple of `groups`, not {inner!r} * {width} for "
            f"{groups}"
        )
    gates = [se] * len(blocks) if se is None or isinstance(se, Mapping) else list(se)
    if len(gates) != len(blocks):
        raise ValueError(f"`se` has {len(gates)} entries for {len(blocks)} stages")
    start = common.start(default=default_shape, minimum=1)
    if stem == "imagenet":
        x = style.conv(start, width, 7, "conv1_conv", ORDERS[order].stem, strides=2)
        x = style.place(x, "conv1", ORDERS[order].stem)
        x = max_pool(x, 3, 2, "pool1")
    else:
        x = style.conv(start, width, 3, "conv1_conv", ORDERS[order].stem)
        x = style.place(x, "conv1", ORDERS[order].stem)
    for stage, number in enumerate(blocks):
        strided = {"first": (1, stage > 0), "last": (number, stage < len(blocks) - 1)}[stride_in]
        for block in range(1, number + 1):
            x = unit(
                x,
                f"conv{stage + 2}_block{block}",
                style,
                filters=width * 2**stage,
                strides=2 if (block, True) == strided else 1,
                first=(stage, block) == (0, 1),
                se=gates[stage],
            )
    x = style.place(x, "post", ORDERS[order].end)
    return common.pooled(start, x)


UNITS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}

# What the networks for ImageNet do not offer.
_FIXED = {
    "bottleneck": False,
    "stem": "imagenet",
    "stride_in": "first",
    "use_bias": False,
    "projection_norm": True,
    "kernel_initializer": "he_normal",
    "default_shape": (224, 224, 3),
}


def _v1(depth, *ledger):
    bottleneck = depth >= 50
    name = f"ResNet{depth}"
    return building.variant(
        resnet,
        name,
        f"ResNet-{depth} of the first paper.",
        building.Provenance(
            "He et al. 2016a, table 1; dlnotes 1.4.",
            ledger,
            "keras.applications; timm; dlnotes 1.5",
        ),
        fixed=_FIXED | {"bottleneck": bottleneck},
        twin=building.Twin(name) if bottleneck else None,
        blocks=UNITS[depth],
    )


def _v2(depth, *ledger):
    bottleneck = depth >= 50
    name = f"ResNet{depth}V2"
    form = {"bottleneck": True, "stride_in": "last", "use_bias": "unnormalised"}
    if bottleneck:
        deviations = (
            "As keras.applications has it: the last unit of a stage halves the maps, and the "
            "convolutions that no normalisation follows have biases.",
        )
    else:
        deviations = ("The paper shows no pre-activation network of this depth on ImageNet.",)
    return building.variant(
        resnet,
        name,
        f"ResNet-{depth} with full pre-activation.",
        building.Provenance(
            "He et al. 2016b, figure 4(e); dlnotes 1.4.",
            ledger,
            "keras.applications" if bottleneck else "hand arithmetic",
            deviations,
        ),
        fixed=_FIXED | (form if bottleneck else {}),
        twin=building.Twin(name) if bottleneck else None,
        blocks=UNITS[depth],
        order="preactivation",
        stride_on="3x3" if bottleneck else "1x1",
    )


ResNet18 = _v1(18, "M1.4-5")
ResNet34 = _v1(34, "M1.4-5", "X1.4-1")
ResNet50 = _v1(50, "M1.5-4")
ResNet101 = _v1(101, "M1.5-4")
ResNet152 = _v1(152, "M1.5-4")
ResNet18V2 = _v2(18, "M1.4-9")
ResNet34V2 = _v2(34, "M1.4-9")
ResNet50V2 = _v2(50, "M1.4-9")
ResNet101V2 = _v2(101, "M1.4-9")
ResNet152V2 = _v2(152, "M1.4-9")


def _resnext(depth, summary, *ledger):
    return building.variant(
        resnet,
        f"ResNeXt{depth}",
        summary,
        building.Provenance(
            "Xie et al. 2017, table 1; dlnotes 2.4; D2L 8.6.5.",
            ledger,
            "timm; torchvision; imgclsmob",
            ("Stride on the 3x3 convolution, as in the paper's code.",),
        ),
        fixed=_FIXED | {"bottleneck": True},
        blocks=UNITS[depth],
        groups=32,
        inner=2,
        stride_on="3x3",
    )


ResNeXt50 = _resnext(
    50,
    "ResNeXt-50 (32x4d): grouped 3x3 convolutions in 32 groups of 4 channels.",
    "M1.4-1",
    "M2.4c",
    "A2.4-3",
)
ResNeXt101 = _resnext(
    101,
    "ResNeXt-101 (32x4d); with `groups=64, inner=4` the paper's 64x4d.",
    "M2.4c",
    "A2.4-2",
)

SEResNet50 = building.variant(
    resnet,
    "SEResNet50",
    "ResNet-50 with squeeze-and-excitation, r = 16, on each residual: 28,071,976 parameters.",
    building.Provenance(
        "Hu et al. 2018, table 1; dlnotes 1.5.",
        ("M1.5-3", "M1.5-4", "A1.5-2", "A1.5-3"),
        "dlnotes 1.5; timm (28,088,024 with biases)",
    ),
    fixed=_FIXED | {"bottleneck": True},
    blocks=UNITS[50],
    se={"ratio": 16},
)

ResNet18D2L = building.variant(
    resnet,
    "ResNet18D2L",
    "ResNet-18 as D2L has it: biases everywhere, no normalisation of projections; 11,178,378.",
    building.Provenance(
        "D2L 7.6 (English edition 8.6); after He et al. 2016a.",
        ("D2L-M8", "D2L-T7", "D2L-X16"),
        "D2L 7.6, table T7",
        (
            "Convolutions have biases; projections have no normalisation, unlike the paper's.",
            "Glorot-uniform initial weights, likewise.",
            "Stride pads both sides alike, as D2L's PyTorch version does.",
        ),
    ),
    fixed=_FIXED
    | {
        "use_bias": True,
        "projection_norm": False,
        "kernel_initializer": "glorot_uniform",
        "default_shape": (96, 96, 1),
    },
    blocks=UNITS[18],
    classes=10,
)
