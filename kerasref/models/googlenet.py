"""GoogLeNet.

Szegedy et al.: Going deeper with convolutions, 2015, table 1; d2l 7.4 has the same table.

| module | 1x1 | 3x3 reduce | 3x3 | 5x5 reduce | 5x5 | pool projection | out   | parameters |
|--------|-----|------------|-----|------------|-----|-----------------|-------|------------|
| 3a     | 64  | 96         | 128 | 16         | 32  | 32              | 256   | 163,696    |
| 3b     | 128 | 128        | 192 | 32         | 96  | 64              | 480   | 388,736    |
| 4a     | 192 | 96         | 208 | 16         | 48  | 64              | 512   | 376,176    |
| 4b     | 160 | 112        | 224 | 24         | 64  | 64              | 512   | 449,160    |
| 4c     | 128 | 128        | 256 | 24         | 64  | 64              | 512   | 510,104    |
| 4d     | 112 | 144        | 288 | 32         | 64  | 64              | 528   | 605,376    |
| 4e     | 256 | 160        | 320 | 32         | 128 | 128             | 832   | 868,352    |
| 5a     | 256 | 160        | 320 | 32         | 128 | 128             | 832   | 1,043,456  |
| 5b     | 384 | 192        | 384 | 48         | 128 | 128             | 1,024 | 1,444,080  |

Before them 124,416 parameters (conv1 7x7/2, conv2_reduce, conv2), after them 1,025,000: 6,998,552.
The auxiliary classifiers have 3,188,840 and 3,190,888.
"""

from __future__ import annotations

import keras

from kerasref.layers import normalization
from kerasref.layers.arguments import check_choice
from kerasref.models import building
from kerasref.models.inception_modules import (
    KINDS,
    Conv,
    Pool,
    Style,
    apply,
    check_counts,
    windows,
)

MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

_POOL = Pool("max", 3, strides=2)
_STEM = (
    ("conv1", Conv(64, 7, strides=2)),
    ("pool1", _POOL),
    ("conv2_reduce", Conv(64)),
    ("conv2", Conv(192, 3)),
    ("pool2", _POOL),
)
_AUXILIARY_SIDE = 65  # smallest image whose maps of stage 4 hold the 5x5 average pooling


def googlenet(
    common,
    *,
    norm="lrn",
    module="v1",
    auxiliary=False,
    dropout=0.4,
    width=1.0,
    se=None,
    stages=(2, 5, 2),
    default_shape,
):
    """Generic GoogLeNet.

    Args:
        norm: `"lrn"`, after the first pooling and the third convolution; `"batch"`, after every
            convolution, which then has no bias; or None.
        module: kind of Inception module, `"naive"`, `"v1"`, `"v2"`, `"v3"` or `"uniform"`.
        auxiliary: whether the model has three outputs, `[predictions, aux1, aux2]`, the latter
            two from classifiers on modules 4a and 4d; only with the top.
        dropout: rate before the classifier; 0 leaves the layer out.
        width: multiplies all numbers of filters.
        se: arguments of a `kerasref.layers.SqueezeExcitation` after each module, as a mapping;
            None for no such layer.
        stages: how many of the two, five and two modules of stages 3, 4 and 5; fewer numbers end
            the network early.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range, or an input too small.
    """
    check_choice("norm", norm, [None, "lrn", "batch"])
    check_choice("module", module, KINDS)
    plan = _plan(module, stages, width)
    names = [name for name, _ in plan]
    if auxiliary and not {"inception4a", "inception4d"} <= {*names}:
        raise ValueError(f"`auxiliary` needs modules 4a and 4d, `stages` is {tuple(stages)}")
    least = building.minimum_size(windows(tuple(step for _, step in plan)))
    with_heads = auxiliary and common.include_top
    start = common.start(default=default_shape, minimum=_AUXILIARY_SIDE if with_heads else least)
    style = Style("batch" if norm == "batch" else None, kernel_initializer="glorot_uniform", se=se)

    x, heads = start, []
    for name, step in plan:
        x = apply(x, step, name, style)
        if norm == "lrn" and name in ("pool1", "conv2"):
            x = normalization("lrn", "norm1" if name == "pool1" else "norm2")(x)
        if with_heads and name in ("inception4a", "inception4d"):
            heads.append(_auxiliary(common, x, f"aux{len(heads) + 1}", style, width))
    return common.pooled(start, x, dropout=dropout, auxiliary=heads)


def _plan(module, stages, width):
    """Named steps up to the last module, pooling between the stages."""
    plan = list(_STEM)
    for stage, count in enumerate(check_counts("stages", stages), 3):
        if stage > 3:
            plan.append((f"pool{stage - 1}", _POOL))
        names = [name for name in MODULES if name.startswith(str(stage))]
        plan += [(f"inception{name}", MODULES[name]) for name in names[:count]]

    def scaled(filters):
        return max(1, round(filters * width))

    steps = []
    for name, step in plan:
        if isinstance(step, Conv):
            step = Conv(scaled(step.filters), step.kernel, step.strides)
        elif isinstance(step, tuple):
            step = KINDS[module](*map(scaled, step))
        steps.append((name, step))
    return steps


def _auxiliary(common, x, name, style, width):
    """An auxiliary classifier on maps `x`, with dropout 0.7 as in the paper."""
    x = keras.layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
    x = apply(x, Conv(max(1, round(128 * width))), f"{name}_conv", style)
    x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    units = max(1, round(1024 * width))
    x = keras.layers.Dense(units, activation="relu", name=f"{name}_hidden")(x)
    x = keras.layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return common.classifier(x, f"{name}_fc", output=f"{name}_predictions")


GoogLeNet = building.variant(
    googlenet,
    "GoogLeNet",
    "GoogLeNet of the paper: 22 layers with weights, 6,998,552 parameters.",
    building.Provenance(
        reference="Szegedy et al. 2015, table 1; dlnotes 1.3.",
        ledger=("M1.3-11", "A1.3-12", "X1.3-1"),
        counts="dlnotes 1.3; d2l 7.4 (the modules)",
        deviations=(
            "LRN with Krizhevsky's constants; the paper names none.",
            "Glorot-uniform initial weights; the paper names none.",
            "Poolings pad one pixel on each side instead of rounding sizes up: the same sizes.",
        ),
    ),
    fixed={"default_shape": (224, 224, 3)},
)

GoogLeNetD2L = building.variant(
    googlenet,
    "GoogLeNetD2L",
    "GoogLeNet as d2l has it: no LRN, dropout or auxiliary classifiers, 5,977,530 parameters.",
    building.Provenance(
        reference="d2l 7.4 (English edition 8.4); after Szegedy et al. 2015.",
        ledger=("D2L-M5", "D2L-T5", "D2L-T6"),
        counts="d2l 7.4; its layer lists in Keras (model_counts.csv)",
        deviations=("No LRN, dropout and auxiliary classifiers, unlike the paper.",),
    ),
    fixed={"default_shape": (96, 96, 1)},
    norm=None,
    dropout=0.0,
    classes=10,
)

SEInception = building.variant(
    googlenet,
    "SEInception",
    "GoogLeNet with batch normalisation and squeeze-and-excitation, r = 16, after each module.",
    building.Provenance(
        reference="Hu et al. 2018, figure 2; dlnotes 1.5; after Szegedy et al. 2015.",
        ledger=("M1.5-2",),
        counts="hand arithmetic",
        deviations=(
            "GoogLeNet's modules; the paper's experiments have those of BN-Inception.",
            "Glorot-uniform initial weights; the paper has He's.",
        ),
    ),
    fixed={"default_shape": (224, 224, 3)},
    norm="batch",
    se={"ratio": 16},
)
