"""DPN's paths, and its counts from arithmetic alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.analysis import counts
from kerasref.models import DPNSmall

SMALL = {"blocks": (2, 2, 2), "growth": (4, 8, 16), "width": 16, "residual": 32, "groups": 4}
PAPER = {"residual": 256, "kernel": 7, "side": 224, "shrink": 4, "channels": 3, "classes": 1000}


def arithmetic(
    *,
    stem,
    width,
    groups,
    residual,
    blocks,
    growth,
    kernel=3,
    side=28,
    shrink=1,
    channels=1,
    classes=10,
    paths="both",
):
    """Parameters and MACs by adding up 1x1, grouped 3x3 and 1x1 kernels block by block."""
    first = kernel**2 * channels * stem
    weights, normalised = first, stem
    macs = first * (side if shrink == 1 else side // 2) ** 2
    side, seen = side // shrink, stem
    for stage, (number, new) in enumerate(zip(blocks, growth, strict=True)):
        kept, inner = residual * 2**stage, width * 2**stage
        kept, new = (0 if paths == "dense" else kept), (0 if paths == "residual" else new)
        before, side = side, side if stage == 0 else -(-side // 2)
        weights += seen * (kept + 2 * new)
        macs += seen * (kept + 2 * new) * side**2
        normalised += seen
        for block in range(number):
            grouped = 9 * inner * inner // groups
            weights += seen * inner + grouped + inner * (kept + new)
            macs += seen * inner * (before if block == 0 else side) ** 2
            macs += (grouped + inner * (kept + new)) * side**2
            normalised += seen + 2 * inner
            seen = kept + (block + 3) * new
    normalised += seen
    trainable = weights + 2 * normalised + (seen + 1) * classes
    return trainable, trainable + 2 * normalised, macs + seen * classes


@pytest.mark.parametrize(
    ("numbers", "published"),
    [
        (
            {"stem": 64, "width": 96, "groups": 32, "blocks": (3, 4, 20, 3)},
            (37_668_392, 37_793_608, 6_501_684_224),
        ),
        (
            {"stem": 96, "width": 160, "groups": 40, "blocks": (3, 6, 20, 3)},
            (61_570_728, 61_735_624, 11_671_217_152),
        ),
        (
            {"stem": 128, "width": 160, "groups": 40, "blocks": (4, 8, 28, 3)},
            (79_254_504, 79_477_864, 16_013_648_896),
        ),
    ],
    ids=["DPN92", "DPN98", "DPN131"],
)
def test_arithmetic_gives_what_is_published(numbers, published):
    """The parameters in timm, and the MACs in counts/dpn.csv, to which the builders are held."""
    growth = (16, 32, 24, 128) if numbers["stem"] == 64 else (16, 32, 32, 128)
    assert arithmetic(**numbers, **PAPER, growth=growth) == published


@pytest.mark.parametrize("paths", ["both", "residual", "dense"])
@pytest.mark.parametrize("blocks", [(1, 1, 1), (2, 2, 2)])
def test_counts_of_the_small_form_by_arithmetic(paths, blocks):
    arguments = {**SMALL, "blocks": blocks, "paths": paths}
    with tf.Graph().as_default():
        total = counts.count(DPNSmall(**arguments))
    assert (total.trainable, total.params, total.macs) == arithmetic(stem=16, **arguments)


def inside(model, *names):
    x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:]))
    layers = [model.get_layer(name).output for name in names]
    return [value.numpy() for value in keras.Model(model.inputs[0], layers)(x)]


def test_first_channels_are_added_and_the_others_appended():
    model = DPNSmall(blocks=(2,), growth=(4,))
    project, one, first, two, second = inside(
        model,
        "stage1_project",
        "stage1_block1_expand",
        "stage1_block1_output",
        "stage1_block2_expand",
        "stage1_block2_output",
    )
    assert project.shape[-1] == 32 + 2 * 4
    np.testing.assert_allclose(first[..., :32], project[..., :32] + one[..., :32], rtol=1e-5)
    np.testing.assert_array_equal(first[..., 32:40], project[..., 32:])
    np.testing.assert_array_equal(first[..., 40:], one[..., 32:])
    np.testing.assert_allclose(second[..., :32], first[..., :32] + two[..., :32], rtol=1e-5)
    np.testing.assert_array_equal(second[..., 32:44], first[..., 32:])
    np.testing.assert_array_equal(second[..., 44:], two[..., 32:])


def test_one_path_alone():
    model = DPNSmall(blocks=(1,), growth=(4,), paths="residual")
    project, new, output = inside(
        model, "stage1_project", "stage1_block1_expand", "stage1_block1_output"
    )
    np.testing.assert_allclose(output, project + new, rtol=1e-5)
    model = DPNSmall(blocks=(1,), growth=(4,), paths="dense")
    project, new, output = inside(
        model, "stage1_project", "stage1_block1_expand", "stage1_block1_output"
    )
    np.testing.assert_array_equal(output, np.concatenate([project, new], axis=-1))


def test_both_paths_share_the_first_two_convolutions():
    names = {layer.name for layer in DPNSmall(blocks=(1,), growth=(4,)).layers}
    kernels = {name for name in names if f"{name}_bn" in names} - {"conv1"}
    assert kernels == {
        "stage1_project",
        "stage1_block1_reduce",
        "stage1_block1_grouped",
        "stage1_block1_expand",
    }


def test_stages_halve_the_maps():
    model = DPNSmall()
    sides = [model.get_layer(f"stage{s}_block2_output").output.shape[1] for s in (1, 2, 3)]
    assert sides == [28, 14, 7]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"paths": "residul"}, "`paths`.*did you mean 'residual'"),
        ({"growth": (4, 8)}, "`growth` needs one number per stage"),
        ({"width": 18}, "`width` must be a multiple of `groups`"),
        ({"blocks": (2, 0, 2)}, "`blocks` must be a positive integer"),
        ({"groups": 0}, "`groups` must be a positive integer"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DPNSmall(**arguments)
