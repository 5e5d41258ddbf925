"""Inception v3.

Szegedy et al.: Rethinking the Inception architecture for computer vision, 2016, table 1, in the
form that TensorFlow's authors released and keras.applications has.

| stage         | modules                            | maps out (299x299 in)  |
|---------------|------------------------------------|------------------------|
| stem          | five convolutions, two max pools   | 35x35x192              |
| mixed0..2     | 5x5 and two 3x3                    | 35x35x256, 288, 288    |
| mixed3        | reduction                          | 17x17x768              |
| mixed4..7     | 1x7 and 7x1, width 128 to 192      | 17x17x768              |
| mixed8        | reduction                          | 8x8x1280               |
| mixed9, 10    | 1x3 beside 3x1                     | 8x8x2048               |

23,817,352 parameters besides BN's moving statistics and scales, as in keras.applications;
23,834,568 with the scales, as in torchvision.
"""

from __future__ import annotations

from kerasref.models import building
from kerasref.models.inception_modules import (
    AVERAGE,
    DOWN,
    Conv,
    Style,
    automatic_names,
    check_counts,
    network,
    split,
    windows,
)


def _a(pool):
    five, three = (Conv(48), Conv(64, 5)), (Conv(64), Conv(96, 3), Conv(96, 3))
    return split(Conv(64), five, three, (AVERAGE, Conv(pool)))


def _b(width):
    once = (Conv(width), Conv(width, (1, 7)), Conv(192, (7, 1)))
    twice = (
        Conv(width),
        Conv(width, (7, 1)),
        Conv(width, (1, 7)),
        Conv(width, (7, 1)),
        Conv(192, (1, 7)),
    )
    return split(Conv(192), once, twice, (AVERAGE, Conv(192)))


def _c():
    fan = split(Conv(384, (1, 3)), Conv(384, (3, 1)))
    return split(
        Conv(320),
        (Conv(384), fan),
        (Conv(448), Conv(384, 3), fan),
        (AVERAGE, Conv(192)),
    )


STEM = (
    ("stem1", Conv(32, 3, 2, "valid")),
    ("stem2", Conv(32, 3, 1, "valid")),
    ("stem3", Conv(64, 3)),
    ("stem_pool1", DOWN),
    ("stem4", Conv(80)),
    ("stem5", Conv(192, 3, 1, "valid")),
    ("stem_pool2", DOWN),
)
REDUCTION_A = split(
    Conv(384, 3, 2, "valid"), (Conv(64), Conv(96, 3), Conv(96, 3, 2, "valid")), DOWN
)
REDUCTION_B = split(
    (Conv(192), Conv(320, 3, 2, "valid")),
    (Conv(192), Conv(192, (1, 7)), Conv(192, (7, 1)), Conv(192, 3, 2, "valid")),
    DOWN,
)


_KINDS = (_a(32), _a(64), _a(64)), (_b(128), _b(160), _b(160), _b(192)), (_c(), _c())
_REDUCTIONS = REDUCTION_A, REDUCTION_B


def _plan(blocks):
    """Named steps with the first `blocks` of the three, four and two modules."""
    modules = []
    for stage, count in enumerate(check_counts("blocks", blocks)):
        if stage:
            modules.append(_REDUCTIONS[stage - 1])
        modules += _KINDS[stage][:count]
    return [*STEM, *((f"mixed{number}", module) for number, module in enumerate(modules))]


def inception_v3(common, *, dropout=0.0, se=None, blocks=(3, 4, 2)):
    """Generic Inception v3.

    Args:
        dropout: rate before the classifier; 0 leaves the layer out.
        se: arguments of a `kerasref.layers.SqueezeExcitation` after each module, as a mapping;
            None for no such layer.
        blocks: how many of the three, four and two modules of the stages; fewer numbers end the
            network early.

    Raises:
        ValueError: an argument out of its range, or an input too small.
    """
    plan = _plan(blocks)
    least = building.minimum_size(windows(tuple(step for _, step in plan)))
    start = common.start(default=(299, 299, 3), minimum=least)
    *_, x = network(start, plan, Style(se=se)).values()
    return common.pooled(start, x, dropout=dropout)


_names = automatic_names(_plan((3, 4, 2)))

InceptionV3 = building.variant(
    inception_v3,
    "InceptionV3",
    "Inception v3 without its auxiliary classifier, 23,834,568 trainable parameters.",
    building.Provenance(
        reference="Szegedy et al. 2016, table 1; dlnotes 1.3 (E1.3-6).",
        ledger=("M1.3-8", "A1.3-15"),
        counts="keras.applications 3.15; torchvision 0.28; timm 1.0",
        deviations=(
            "As in the released code, five convolutions in the stem instead of the paper's six.",
            "BN momentum 0.9 and epsilon 1e-5; the released code has 0.9997 and 1e-3.",
        ),
    ),
    twin=building.Twin("InceptionV3", layers=_names),
)
