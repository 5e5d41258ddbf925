"""Inception v4 and the Inception-ResNets.

Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, Inception-ResNet and the impact of residual
connections on learning, 2017, figures 3 to 19; dlnotes 1.3.

| stage       | maps          | Inception v4 | Inception-ResNet v1 | v2          | v2 released |
|-------------|---------------|--------------|---------------------|-------------|-------------|
| stem        | 35x35         | 384          | 256                 | 384         | 320         |
| A           |               | 4 modules    | 5                   | 5           | 10          |
| Reduction-A | 17x17         | 1,024        | 896                 | 1,152       | 1,088       |
| B           |               | 7            | 10                  | 10          | 20          |
| Reduction-B | 8x8           | 1,536        | 1,792               | 2,144       | 2,080       |
| C           |               | 3            | 5                   | 5           | 10          |
| trainable   |               | 42,679,816   | 22,756,328          | 32,433,928  | 55,843,464  |

In the paper's figures for v2 the linear 1x1 convolutions have 1,154 and 2,048 filters, which
cannot be added to 1,152 and 2,144 channels; the sums decide (E1.3-8).
"""

from __future__ import annotations

import dataclasses

from kerasref.models import building
from kerasref.models.inception_modules import (
    AVERAGE,
    DOWN,
    Conv,
    Residual,
    Style,
    automatic_names,
    check_counts,
    network,
    split,
    windows,
)


def _valid(filters, strides=1):
    return Conv(filters, 3, strides, "valid")


# Stems, figure 3 (v4 and Inception-ResNet v2), figure 14 (v1) and the released v2.
STEM_V4 = (
    _valid(32, 2),
    _valid(32),
    Conv(64, 3),
    split(DOWN, _valid(96, 2)),
    split(
        (Conv(64), _valid(96)),
        (Conv(64), Conv(64, (7, 1)), Conv(64, (1, 7)), _valid(96)),
    ),
    split(_valid(192, 2), DOWN),
)
STEM_V1 = (
    _valid(32, 2),
    _valid(32),
    Conv(64, 3),
    DOWN,
    Conv(80),
    _valid(192),
    _valid(256, 2),
)
STEM_RELEASED = (
    *STEM_V1[:6],
    DOWN,
    split(
        Conv(96),
        (Conv(48), Conv(64, 5)),
        (Conv(64), Conv(96, 3), Conv(96, 3)),
        (AVERAGE, Conv(64)),
    ),
)

# Modules of v4, figures 4 to 6.
A_V4 = split(
    (AVERAGE, Conv(96)), Conv(96), (Conv(64), Conv(96, 3)), (Conv(64), Conv(96, 3), Conv(96, 3))
)
B_V4 = split(
    (AVERAGE, Conv(128)),
    Conv(384),
    (Conv(192), Conv(224, (1, 7)), Conv(256, (7, 1))),
    (
        Conv(192),
        Conv(192, (1, 7)),
        Conv(224, (7, 1)),
        Conv(224, (1, 7)),
        Conv(256, (7, 1)),
    ),
)
_FAN = split(Conv(256, (1, 3)), Conv(256, (3, 1)))
C_V4 = split(
    (AVERAGE, Conv(256)),
    Conv(256),
    (Conv(384), _FAN),
    (Conv(384), Conv(448, (1, 3)), Conv(512, (3, 1)), _FAN),
)


def _reduction_a(first, second, third, alone):
    """Figure 7; k, l, m and n of table 1."""
    return split(_valid(alone, 2), (Conv(first), Conv(second, 3), _valid(third, 2)), DOWN)


REDUCTION_B_V4 = split(
    (Conv(192), _valid(192, 2)),
    (Conv(256), Conv(256, (1, 7)), Conv(320, (7, 1)), _valid(320, 2)),
    DOWN,
)


# Modules of the Inception-ResNets, figures 10 to 13 (v1) and 16 to 19 (v2).
def _a(one, two, three):
    return split(Conv(32), (Conv(32), Conv(one, 3)), (Conv(32), Conv(two, 3), Conv(three, 3)))


def _b(one, reduced, row, column):
    return split(Conv(one), (Conv(reduced), Conv(row, (1, 7)), Conv(column, (7, 1))))


def _c(row, column):
    return split(Conv(192), (Conv(192), Conv(row, (1, 3)), Conv(column, (3, 1))))


def _reduction_b(two, three, four):
    return split(
        (Conv(256), _valid(384, 2)),
        (Conv(256), _valid(two, 2)),
        (Conv(256), Conv(three, 3), _valid(four, 2)),
        DOWN,
    )


def _inception_v4(blocks):
    """Named steps with `blocks` modules A, B and C."""
    reductions = _reduction_a(192, 224, 256, 384), REDUCTION_B_V4
    plan = [("stem", STEM_V4)]
    for stage, count in enumerate(check_counts("blocks", blocks)):
        if stage:
            plan.append((f"reduction_{'ab'[stage - 1]}", reductions[stage - 1]))
        module = (A_V4, B_V4, C_V4)[stage]
        plan += [(f"inception_{'abc'[stage]}{n}", module) for n in range(1, count + 1)]
    return plan


# Stem; modules A, B, C; reductions; convolution before the pooling.
VERSIONS = {
    "v1": (
        STEM_V1,
        (_a(32, 32, 32), _b(128, 128, 128, 128), _c(192, 192)),
        (_reduction_a(192, 192, 256, 384), _reduction_b(256, 256, 256)),
        None,
    ),
    "v2": (
        STEM_V4,
        (_a(32, 48, 64), _b(192, 128, 160, 192), _c(224, 256)),
        (_reduction_a(256, 256, 384, 384), _reduction_b(288, 288, 320)),
        None,
    ),
    "released": (
        STEM_RELEASED,
        (_a(32, 48, 64), _b(192, 128, 160, 192), _c(224, 256)),
        (_reduction_a(256, 256, 384, 384), _reduction_b(288, 288, 320)),
        Conv(1536),
    ),
}


def _inception_resnet(version, blocks, scale, shortcut=True):
    """Named steps; names as in keras.applications where it has one."""
    stem, modules, reductions, last = VERSIONS[version]
    scales = (scale,) * 3 if isinstance(scale, int | float) else tuple(scale)
    plan = [("stem", stem)]
    for stage, count in enumerate(check_counts("blocks", blocks)):
        if stage:
            plan.append((("mixed_6a", "mixed_7a")[stage - 1], reductions[stage - 1]))
        step = Residual(modules[stage], scales[stage], shortcut=shortcut)
        name = ("block35", "block17", "block8")[stage]
        plan += [(f"{name}_{n}", step) for n in range(1, count + 1)]
    if last is not None:  # after a sum without scale and ReLU
        name, step = plan[-1]
        plan[-1] = name, dataclasses.replace(step, scale=1.0, activation=None)
        plan.append(("conv_7b", last))
    return plan


def inception_v4(common, *, dropout=0.2, se=None, blocks=(4, 7, 3)):
    """Generic Inception v4.

    Args:
        dropout: rate before the classifier; 0 leaves the layer out.
        se: arguments of a `kerasref.layers.SqueezeExcitation` after each module, as a mapping;
            None for no such layer.
        blocks: numbers of modules A, B and C; fewer numbers end the network early.

    Raises:
        ValueError: an argument out of its range, or an input too small.
    """
    return _finish(common, _inception_v4(blocks), dropout, se)


def inception_resnet(
    common, *, scale=1.0, shortcut=True, dropout=0.2, se=None, blocks=(5, 10, 5), version
):
    """Generic Inception-ResNet.

    Args:
        scale: factor of the residual branch before the addition, for all modules or for A, B and
            C; the paper advises 0.1 to 0.3 for wide networks.
        shortcut: False leaves the additions out, but not the layers.
        dropout: rate before the classifier; 0 leaves the layer out.
        se: arguments of a `kerasref.layers.SqueezeExcitation` on each residual branch, and after
            each other module, as a mapping; None for no such layer.
        blocks: numbers of modules A, B and C; fewer numbers end the network early.
        version: `"v1"`, `"v2"` or `"released"`.

    Raises:
        ValueError: an argument out of its range, or an input too small.
    """
    return _finish(common, _inception_resnet(version, blocks, scale, shortcut), dropout, se)


def _finish(common, plan, dropout, se):
    least = building.minimum_size(windows(tuple(step for _, step in plan)))
    start = common.start(default=(299, 299, 3), minimum=least)
    *_, x = network(start, plan, Style(se=se)).values()
    return common.pooled(start, x, dropout=dropout)


_BN = "BN momentum 0.9 and epsilon 1e-5; the paper names none."

InceptionV4 = building.variant(
    inception_v4,
    "InceptionV4",
    "Inception v4, without residual connections, 42,679,816 trainable parameters.",
    building.Provenance(
        reference="Szegedy et al. 2017, figures 3 to 9; dlnotes 1.3 (E1.3-9).",
        ledger=("M1.3-12", "X1.3-1"),
        counts="dlnotes 1.3; timm 1.0 and imgclsmob (trainable)",
        deviations=(_BN,),
    ),
)

InceptionResNetV1 = building.variant(
    inception_resnet,
    "InceptionResNetV1",
    "Inception-ResNet v1 of the paper's figures, 22,756,328 trainable parameters.",
    building.Provenance(
        reference="Szegedy et al. 2017, figures 10 to 15; dlnotes 1.3.",
        ledger=("M1.3-13", "M1.3-15", "X1.3-1"),
        counts="dlnotes 1.3",
        deviations=(_BN,),
    ),
    fixed={"version": "v1"},
)

InceptionResNetV2 = building.variant(
    inception_resnet,
    "InceptionResNetV2",
    "Inception-ResNet v2 of the paper's figures, 32,433,928 trainable parameters.",
    building.Provenance(
        reference="Szegedy et al. 2017, figures 3, 15 to 19; dlnotes 1.3.",
        ledger=("M1.3-14", "M1.3-15", "X1.3-1"),
        counts="dlnotes 1.3",
        deviations=(
            _BN,
            "Linear 1x1 convolutions of 1,152 and 2,144 filters, as the sums need (E1.3-8).",
        ),
    ),
    fixed={"version": "v2"},
)

_names = automatic_names(_inception_resnet("released", (10, 20, 10), 1.0)[:-1])

InceptionResNetV2Slim = building.variant(
    inception_resnet,
    "InceptionResNetV2Slim",
    "Inception-ResNet v2 as released in TF-slim: v3's stem, 10, 20 and 10 modules, 55,843,464 "
    "trainable parameters.",
    building.Provenance(
        reference="The code that the authors of Szegedy et al. 2017 released; keras.applications.",
        ledger=("M1.3-14",),
        counts="timm 1.0 and imgclsmob (trainable); keras.applications (55,813,192 without scales)",
        deviations=(
            "Unlike the paper's figures: v3's stem with one more module, twice as many modules, "
            "scales 0.17, 0.1 and 0.2, the last sum plain, a 1x1 convolution of 1,536 at the end.",
            "BN momentum 0.9 and epsilon 1e-5; the released code has 0.9997 and 1e-3.",
        ),
    ),
    fixed={"version": "released"},
    scale=(0.17, 0.1, 0.2),
    blocks=(10, 20, 10),
    twin=building.Twin("InceptionResNetV2", layers=_names),
)
