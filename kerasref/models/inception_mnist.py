"""Small Inception networks: the book's for MNIST, and one to compare the parts of Inception.

dlnotes 1.3 (figure 1.21), with 16 maps everywhere, so 4 in each path of a module:

| layer                            | Inception net | conv net |
|----------------------------------|---------------|----------|
| 3x3, 16                          | 160           | 160      |
| module v1, or 3x3 with 16        | 824           | 2,320    |
| max pool 2/2; 3x3, 16            | 2,320         | 2,320    |
| module v1, or 3x3 with 16        | 824           | 2,320    |
| max pool 2/2; 500, 100, 10 units | 443,610       | 443,610  |
| total                            | 447,738       | 450,730  |
"""

from __future__ import annotations

import keras

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.inception_modules import (
    KINDS,
    PATHS,
    Conv,
    Pool,
    Residual,
    Split,
    Style,
    apply,
    windows,
)

_POOL = Pool("max", 2, 2, "valid")
_STEMS = {
    None: lambda maps: [],
    "imagenet": lambda maps: [
        ("stem_conv", Conv(maps, 7, 2)),
        ("stem_pool", Pool("max", 3, 2)),
    ],
}


def small_inception(
    common,
    *,
    module="v1",
    paths=PATHS,
    maps=32,
    stages=(("conv", "inception"), ("inception",), ("inception",)),
    stem=None,
    units=(),
    norm=None,
    activation="relu",
    residual=False,
    shortcut=True,
    scale=1.0,
    auxiliary=False,
    se=None,
):
    """Generic small network of 3x3 convolutions and Inception modules, halved between stages.

    Args:
        module: kind of Inception module, `"naive"`, `"v1"`, `"v2"`, `"v3"` or `"uniform"` (all
            paths 3x3).
        paths: those of `"1x1"`, `"3x3"`, `"5x5"` and `"pool"` that the modules have.
        maps: outputs of each convolution between modules, and of each module, shared evenly among
            its paths.
        stages: for each stage its blocks, `"conv"` or `"inception"`.
        stem: None, or `"imagenet"` for GoogLeNet's 7x7/2 convolution and 3x3/2 max pooling.
        units: of hidden dense layers after one more pooling; with none, global average pooling.
        norm: `"batch"` after every convolution, which then has no bias, or None.
        activation: of the convolutions and hidden dense layers.
        residual: whether each module ends in a linear 1x1 convolution and a shortcut around both.
        shortcut: False leaves the addition out, but not the layers of `residual`.
        scale: of the residual branch.
        auxiliary: whether the outputs are `[predictions, aux1, ...]`, with a classifier after every
            stage but the last: 1x1 convolution, global average, dense layer; only with the top.
        se: arguments of a `kerasref.layers.SqueezeExcitation` after each module (on the branch
            where it is residual), as a mapping; None for no such layer.

    Raises:
        ValueError: an argument out of its range, or an input too small.
    """
    check_choice("norm", norm, [None, "batch"])
    block = {
        "conv": Conv(check_positive_integer("maps", maps), 3),
        "inception": _module(module, paths, maps, residual, shortcut, scale),
    }
    plan = _plan(stages, block, stem, maps, ends_in_pool=bool(units))
    least = building.minimum_size(windows(tuple(step for _, step in plan)))
    start = common.start(default=(28, 28, 1), minimum=least)
    style = Style(norm, activation, "he_normal" if norm else "glorot_uniform", se)

    x, heads, ends = start, [], [f"pool{number}" for number in range(1, len(stages))]
    for name, step in plan:
        if auxiliary and common.include_top and name in ends:
            heads.append(_auxiliary(common, x, f"aux{len(heads) + 1}", style, maps))
        x = apply(x, step, name, style)
    if not common.include_top:
        return common.features(start, x)

    if units:
        x = keras.layers.Flatten(name="flatten")(x)
    else:
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    for number, size in enumerate(units, 1):
        x = keras.layers.Dense(size, activation=activation, name=f"hidden{number}")(x)
    x = common.classifier(x, "fc")
    return common.model(start, [x, *heads] if heads else x)


def _module(kind, paths, maps, residual, shortcut, scale):
    check_choice("module", kind, KINDS)
    for path in paths:
        check_choice("paths", path, PATHS)
    if not paths or maps % len(paths):
        raise ValueError(f"`maps` must be a multiple of the number of `paths`, not {maps!r}")
    branches = KINDS[kind](*[maps // len(paths)] * 6).branches
    kept = Split(tuple(b for b, path in zip(branches, PATHS, strict=True) if path in paths))
    return Residual(kept, scale, shortcut=shortcut) if residual else kept


def _plan(stages, block, stem, maps, ends_in_pool):
    plan = _STEMS[check_choice("stem", stem, _STEMS)](maps)
    for number, stage in enumerate(stages, 1):
        for place, kind in enumerate(stage, 1):
            plan.append((f"stage{number}_{place}", block[check_choice("stages", kind, block)]))
        if number < len(stages) or ends_in_pool:
            plan.append((f"pool{number}", _POOL))
    return plan


def _auxiliary(common, x, name, style, maps):
    x = apply(x, Conv(maps), f"{name}_conv", style)
    x = keras.layers.GlobalAveragePooling2D(name=f"{name}_avg_pool")(x)
    return common.classifier(x, f"{name}_fc", output=f"{name}_predictions")


_BOOK = {
    "paths": PATHS,
    "maps": 16,
    "stem": None,
    "units": (500, 100),
    "residual": False,
    "shortcut": True,
    "scale": 1.0,
    "auxiliary": False,
}

InceptionMNIST = building.variant(
    small_inception,
    "InceptionMNIST",
    "The book's Inception network for MNIST, four maps a path: 447,738 parameters.",
    building.Provenance(
        reference="dlnotes 1.3, figure 1.21 and listings 3 to 5.",
        ledger=("M1.3-5", "M1.3-6", "M1.3-7", "M1.3-8", "M1.3-10"),
        counts="dlnotes 1.3 (companion notebook)",
    ),
    fixed={**_BOOK, "stages": (("conv", "inception"),) * 2},
    classes=10,
)

ConvMNIST = building.variant(
    small_inception,
    "ConvMNIST",
    "The book's convolutional network beside its Inception network: 450,730 parameters.",
    building.Provenance(
        reference="dlnotes 1.3, figure 1.21.",
        ledger=("M1.3-9",),
        counts="dlnotes 1.3 (companion notebook)",
    ),
    fixed={**_BOOK, "module": "v1", "se": None, "stages": (("conv", "conv"),) * 2},
    classes=10,
)

InceptionSmall = building.variant(
    small_inception,
    "InceptionSmall",
    "A small Inception network for 28x28 images, to compare its parts in minutes.",
    building.Provenance(
        reference="kerasref; after Szegedy et al. 2015, 2016 and 2017.",
        ledger=("A1.3-8", "A1.3-12", "A1.3-15", "A1.3-16", "A1.3-17"),
        counts="hand arithmetic",
    ),
    classes=10,
)
