"""Dual path networks.

Chen, Li, Xiao, Jin, Yan, Feng: Dual path networks, 2017, table 1.

| network | stem | width | groups | blocks      | growth          | trainable parameters |
|---------|------|-------|--------|-------------|-----------------|----------------------|
| DPN-92  | 64   | 96    | 32     | 3, 4, 20, 3 | 16, 32, 24, 128 | 37,668,392           |
| DPN-98  | 96   | 160   | 40     | 3, 6, 20, 3 | 16, 32, 32, 128 | 61,570,728           |
| DPN-131 | 128  | 160   | 40     | 4, 8, 28, 3 | 16, 32, 32, 128 | 79,254,504           |

Width and residual channels (256 in the first stage) double from stage to stage.
"""

from __future__ import annotations

import keras
from keras import ops

from kerasref.layers.arguments import check_choice, check_positive_integer
from kerasref.models import building
from kerasref.models.blocks import conv, max_pool, norm_act


def dpn(
    common,
    *,
    paths="both",
    blocks,
    growth,
    width,
    residual,
    groups,
    stem,
    early_pooling,
    default_shape,
):
    """Generic dual path network.

    A block is 1x1 to `width`, grouped 3x3, 1x1, each after batch normalisation and ReLU. Its output
    is split: the first part is added to the residual path, the rest concatenated to the dense path.
    The next block sees both, side by side. The first block of a stage takes both paths from a 1x1
    projection, twice its growth for the dense one; from the second stage on it has stride 2.

    Args:
        paths: `"both"`, or `"residual"` or `"dense"` for blocks with that path alone.
        blocks: number of blocks of each stage.
        growth: channels that a block adds to the dense path, for each stage.
        width: channels of the grouped convolution in the first stage; doubles with each stage.
        residual: channels of the residual path in the first stage; doubles with each stage.
        groups: of the 3x3 convolutions.
        stem: filters of the first convolution.
        early_pooling: whether the stem is 7x7 with stride 2 and max pooling, for large images, or
            3x3 alone.
        default_shape: of the input.

    Raises:
        ValueError: an argument out of its range.
    """
    check_choice("paths", paths, ["both", "residual", "dense"])
    if not blocks or len(blocks) != len(growth):
        raise ValueError(f"`growth` needs one number per stage of `blocks`, not {growth!r}")
    for argument, value in (
        *(("blocks", number) for number in blocks),
        ("width", width),
        ("residual", residual),
        ("groups", groups),
    ):
        check_positive_integer(argument, value)
    if width % groups:
        raise ValueError(f"`width` must be a multiple of `groups`, not {width!r} for {groups!r}")
    start = common.start(default=default_shape, minimum=1)
    if early_pooling:
        x = norm_act(conv(start, stem, 7, "conv1", strides=2), "conv1")
        x = max_pool(x, 3, 2, "pool1")
    else:
        x = norm_act(conv(start, stem, 3, "conv1"), "conv1")
    for stage, (number, added) in enumerate(zip(blocks, growth, strict=True)):
        kept = residual << stage if paths != "dense" else 0
        added = added if paths != "residual" else 0
        strides = 2 if stage else 1
        name = f"stage{stage + 1}_project"
        project = conv(norm_act(x, name), kept + 2 * added, 1, name, strides=strides)
        state = _split(project, kept)
        for block in range(1, number + 1):
            name = f"stage{stage + 1}_block{block}"
            first = strides if block == 1 else 1
            y = _micro_block(x, width << stage, kept + added, groups, first, name)
            state, x = _advance(state, _split(y, kept), name)
    x = norm_act(x, "last")
    return common.pooled(start, x, name="classifier")


def _micro_block(x, width, filters, groups, strides, name):
    x = conv(norm_act(x, f"{name}_reduce"), width, 1, f"{name}_reduce")
    x = norm_act(x, f"{name}_grouped")
    x = conv(x, width, 3, f"{name}_grouped", strides=strides, groups=groups)
    return conv(norm_act(x, f"{name}_expand"), filters, 1, f"{name}_expand")


def _split(x, kept):
    """The first `kept` channels and the others; None for a part without channels."""
    if kept in (0, x.shape[-1]):
        return (x, None) if kept else (None, x)
    return ops.split(x, [kept], axis=-1)


def _advance(paths, parts, name):
    """Both paths after a block that gives `parts`, and the maps `<name>_output` of them all."""
    (residual, dense), (change, new) = paths, parts
    if dense is None:
        residual = x = keras.layers.Add(name=f"{name}_output")([residual, change])
    elif residual is None:
        dense = x = keras.layers.Concatenate(name=f"{name}_output")([dense, new])
    else:
        residual = keras.layers.Add(name=f"{name}_add")([residual, change])
        dense = keras.layers.Concatenate(name=f"{name}_concat")([dense, new])
        x = keras.layers.Concatenate(name=f"{name}_output")([residual, dense])
    return (residual, dense), x


_REFERENCE = "Chen et al. 2017, table 1; dlnotes 1.7."
_COUNTS = "hand arithmetic; timm 1.0 (trainable parameters)"
_DEVIATIONS = ("BN epsilon 1e-5; the paper's own code has 1e-3.",)


def _imagenet(name, parameters, **numbers):
    return building.variant(
        dpn,
        name,
        f"{name[:3]}-{name[3:]} of the paper: {parameters} trainable parameters.",
        building.Provenance(_REFERENCE, ("M1.7-5", "M1.7-6"), _COUNTS, _DEVIATIONS),
        fixed={"early_pooling": True, "default_shape": (224, 224, 3)},
        residual=256,
        **numbers,
    )


DPN92 = _imagenet(
    "DPN92",
    "37,668,392",
    stem=64,
    width=96,
    groups=32,
    blocks=(3, 4, 20, 3),
    growth=(16, 32, 24, 128),
)
DPN98 = _imagenet(
    "DPN98",
    "61,570,728",
    stem=96,
    width=160,
    groups=40,
    blocks=(3, 6, 20, 3),
    growth=(16, 32, 32, 128),
)
DPN131 = _imagenet(
    "DPN131",
    "79,254,504",
    stem=128,
    width=160,
    groups=40,
    blocks=(4, 8, 28, 3),
    growth=(16, 32, 32, 128),
)

DPNSmall = building.variant(
    dpn,
    "DPNSmall",
    "Dual paths for images of 14 to 32 pixels, to compare them with one path alone.",
    building.Provenance(
        reference="kerasref; after Chen et al. 2017.",
        ledger=("M1.7-5", "A1.7-6"),
        counts="hand arithmetic",
        deviations=("Stem 3x3 without pooling; three stages of two blocks; narrow.",),
    ),
    fixed={"early_pooling": False, "default_shape": (28, 28, 1)},
    stem=16,
    width=16,
    residual=32,
    groups=4,
    blocks=(2, 2, 2),
    growth=(4, 8, 16),
    classes=10,
)
