"""ResNeXt's forms and cardinality, and its counts from arithmetic alone."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.analysis import counts
from kerasref.models import ResNeXt50, ResNeXtCIFAR
from kerasref.models.resnet_units import Style, unit

SMALL = {"depth": 11, "width": 8, "cardinality": 4, "branch_width": 2, "input_shape": (9, 8, 3)}


def arithmetic(*, blocks, width, paths, inner, side, channels, classes, kernel=3, shrink=1):
    """Trainable and all parameters and MACs, adding up kernels unit by unit.

    `inner`: channels of all paths in the first stage; `shrink`: of the stem with its pooling.
    """
    weights = kernel**2 * channels * width
    macs = weights * (side if shrink == 1 else side // 2) ** 2
    side, normalised, seen = side // shrink, width, width
    for stage, number in enumerate(blocks):
        middle, outputs = inner * 2**stage, 4 * width * 2**stage
        for block in range(number):
            before = side
            side = -(-side // 2) if stage and block == 0 else side
            grouped = 9 * middle * middle // paths
            weights += seen * middle + grouped + middle * outputs
            macs += seen * middle * before**2 + (grouped + middle * outputs) * side**2
            normalised += 2 * middle + outputs
            if block == 0:
                weights, macs = weights + seen * outputs, macs + seen * outputs * side**2
                normalised += outputs
            seen = outputs
    trainable = weights + 2 * normalised + (seen + 1) * classes
    return trainable, trainable + 2 * normalised, macs + seen * classes


PAPER = {"width": 64, "side": 224, "channels": 3, "classes": 1000, "kernel": 7, "shrink": 4}
CIFAR = {"width": 64, "side": 32, "channels": 3, "classes": 10}


@pytest.mark.parametrize(
    ("numbers", "published"),
    [
        (
            {"blocks": (3, 4, 23, 3), "paths": 32, "inner": 128, **PAPER},
            (44_177_704, 44_315_560, 7_969_996_800),
        ),
        (
            {"blocks": (3, 4, 23, 3), "paths": 64, "inner": 256, **PAPER},
            (83_455_272, 83_658_152, 15_460_270_080),
        ),
        (
            {"blocks": (3, 3, 3), "paths": 8, "inner": 512, **CIFAR},
            (34_426_698, 34_484_170, 5_387_266_048),
        ),
    ],
    ids=["101-32x4d", "101-64x4d", "29-8x64d"],
)
def test_arithmetic_gives_what_is_published(numbers, published):
    """The parameters in timm and the paper, and the MACs in counts/resnext.csv."""
    assert arithmetic(**numbers) == published


# A quarter of table 2 of the paper; a unit of the first stage has 4,352 to 4,384 weights.
@pytest.mark.parametrize(("paths", "width"), [(1, 16), (2, 10), (4, 6), (32, 1)])
def test_counts_of_the_small_forms_by_arithmetic(paths, width):
    small = {"width": 16, "cardinality": paths, "branch_width": width}
    with tf.Graph().as_default():
        model = ResNeXtCIFAR(depth=11, **small, input_shape=(14, 14, 1))
        total = counts.count(model)
    inner = paths * width
    expected = arithmetic(
        blocks=(1, 1, 1), width=16, paths=paths, inner=inner, side=14, channels=1, classes=10
    )
    assert (total.trainable, total.params, total.macs) == expected
    assert 4352 <= 2 * 64 * inner + 9 * inner * width <= 4384


@pytest.mark.parametrize(("paths", "inner"), [(2, 1.25), (4, 1.5), (8, 1.75), (32, 2)])
def test_cardinalities_of_table_2_by_arithmetic(paths, inner):
    with tf.Graph().as_default():
        total = counts.count(ResNeXt50(groups=paths, inner=inner))
    numbers = {"blocks": (3, 4, 6, 3), "paths": paths, "inner": round(64 * inner)}
    assert (total.trainable, total.params, total.macs) == arithmetic(**numbers, **PAPER)


def one_unit(form, **style):
    image = keras.Input((6, 6, 16))
    settings = Style(bottleneck=True, groups=4, inner=1.5, form=form, **style)
    return keras.Model(image, unit(image, "unit", settings, filters=8, strides=2))


def kinds(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def test_form_a_has_whole_paths_and_sums_them():
    model = one_unit("A")
    convolutions = [layer for layer in kinds(model) if "path" in layer.name]
    assert len(convolutions) == 4 * 3
    assert all(layer.groups == 1 for layer in convolutions)
    ends = model.get_layer("unit_paths").input
    assert [end.shape[-1] for end in ends] == [32] * 4
    assert [end._keras_history.operation.filters for end in ends] == [32] * 4


def test_form_b_concatenates_before_the_last_convolution():
    model = one_unit("B")
    assert len([layer for layer in kinds(model) if "path" in layer.name]) == 4 * 2
    assert [end.shape[-1] for end in model.get_layer("unit_concat").input] == [3] * 4
    assert model.get_layer("unit_3_conv").input.shape[-1] == 12


def test_form_c_is_one_grouped_convolution():
    model = one_unit("C")
    assert model.get_layer("unit_2_conv").groups == 4
    assert not [layer for layer in kinds(model) if "path" in layer.name]


@pytest.mark.parametrize("stride_on", ["1x1", "3x3"])
@pytest.mark.parametrize("order", ["original", "preactivation"])
def test_forms_have_the_same_maps_and_stride(order, stride_on):
    for form in "ABC":
        model = one_unit(form, order=order, stride_on=stride_on)
        assert model.output.shape[1:] == (3, 3, 32)
        strided = {layer.name.rsplit("_", 2)[-2] for layer in kinds(model) if layer.strides[0] > 1}
        assert strided == {"0", "1" if stride_on == "1x1" else "2"}


def copy(source, target, paths):
    """Weights of form C; a path gets its share of the channels."""
    for layer in target.layers:
        if not layer.weights:
            continue
        path = re.fullmatch(r"(.*)_path(\d+)(_.*)", layer.name)
        weights = source.get_layer(path[1] + path[3] if path else layer.name).get_weights()
        if path:
            axis = -2 if path[3] == "_3_conv" else -1
            weights = [np.split(w, paths, axis)[int(path[2]) - 1] for w in weights]
        layer.set_weights(weights)


@pytest.mark.parametrize("form", ["A", "B"])
def test_whole_networks_agree_between_forms(form):
    keras.utils.set_random_seed(0)
    grouped = ResNeXtCIFAR(**SMALL, classifier_activation=None)
    other = ResNeXtCIFAR(**SMALL, classifier_activation=None, form=form)
    x = np.random.default_rng(0).normal(size=(3, 9, 8, 3))
    expected = grouped(x).numpy()
    assert np.abs(other(x) - expected).max() > 0.1 * np.abs(expected).max()
    copy(grouped, other, SMALL["cardinality"])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(other(x) / scale, expected / scale, atol=1e-5)


def test_one_path_is_a_resnet_in_every_form():
    names = [
        [layer.name for layer in ResNeXtCIFAR(**{**SMALL, "cardinality": 1}, form=form).layers]
        for form in "ABC"
    ]
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize(
    ("builder", "arguments", "message"),
    [
        (ResNeXtCIFAR, {"depth": 20, "form": "D"}, "`form` cannot be 'D'; known: 'A', 'B', 'C'"),
        (ResNeXtCIFAR, {"depth": 28}, r"`depth` must be 9n\+2 layers, not 28"),
        (ResNeXtCIFAR, {"cardinality": 0}, "`cardinality` must be a positive integer"),
        (ResNeXtCIFAR, {"branch_width": 1.5}, "`branch_width` must be a positive integer"),
        (ResNeXt50, {"inner": 1.3}, "`inner` times `width` must be a multiple of `groups`"),
        (ResNeXt50, {"inner": 0}, "`inner` times `width` must be a multiple of `groups`"),
    ],
)
def test_wrong_arguments_are_named(builder, arguments, message):
    with pytest.raises(ValueError, match=message):
        builder(**arguments)
