"""AlexNet's own arguments."""

import numpy as np
import pytest
import tensorflow as tf

from kerasref.layers import GroupedConv2D
from kerasref.models import AlexNet, AlexNetBN, AlexNetSmall


def order(model):
    return [layer.name for layer in model.layers]


def test_paper_form_has_the_papers_maps_and_order():
    with tf.Graph().as_default():
        model = AlexNet()
    assert order(model)[1:7] == ["conv1", "norm1", "pool1", "conv2", "norm2", "pool2"]
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
    assert shapes["conv1"] == (55, 55, 96)
    assert shapes["pool1"] == (27, 27, 96)
    assert shapes["pool2"] == (13, 13, 256)
    assert shapes["pool5"] == (6, 6, 256)
    grouped = [layer.name for layer in model.layers if isinstance(layer, GroupedConv2D)]
    assert grouped == ["conv2", "conv4", "conv5"]


def test_pooling_windows_change_neither_maps_nor_parameters():
    with tf.Graph().as_default():
        overlapping, apart = AlexNet(), AlexNet(pool="non_overlapping")
    for name in ("pool1", "pool2", "pool5"):
        assert overlapping.get_layer(name).pool_size == (3, 3)
        assert apart.get_layer(name).pool_size == (2, 2)
        assert apart.get_layer(name).output.shape == overlapping.get_layer(name).output.shape
    assert apart.count_params() == overlapping.count_params()


def test_paper_form_starts_with_the_papers_weights():
    model = AlexNet(input_shape=(67, 67, 3), classes=10)
    biased = ["conv2", "conv4", "conv5", "fc6", "fc7"]
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        kernel, bias = model.get_layer(name).get_weights()
        assert kernel.std() == pytest.approx(0.01, rel=0.05), name
        assert (bias == (1 if name in biased else 0)).all(), name


def test_book_form_has_the_books_order():
    with tf.Graph().as_default():
        model = AlexNetBN()
    assert order(model)[1:7] == ["conv1", "norm1", "pool1", "conv2", "norm2", "pool2"]
    assert order(model)[7:11] == ["conv3", "norm3", "conv4", "norm4"]
    assert order(model)[11:15] == ["conv5", "norm5", "pool5", "flatten"]
    assert model.get_layer("pool5").pool_size == (2, 2)
    assert model.get_layer("fc6").activation.__name__ == "tanh"
    assert order(model)[15:] == ["fc6", "dropout6", "fc7", "dropout7", "fc8", "predictions"]


@pytest.mark.parametrize("norm", ["lrn", "batch"])
def test_small_form_swaps_only_the_kind_of_normalisation(norm):
    plain, normed = AlexNetSmall(), AlexNetSmall(norm=norm)
    assert [name for name in order(normed) if not name.startswith("norm")] == order(plain)
    assert [name for name in order(normed) if name.startswith("norm")] == ["norm1", "norm2"]


def test_normalisation_moves_after_pooling():
    before = AlexNetSmall(norm="lrn")
    after = AlexNetSmall(norm="lrn", norm_position="after_pool")
    assert order(before)[1:4] == ["conv1", "norm1", "pool1"]
    assert order(after)[1:4] == ["conv1", "pool1", "norm1"]


@pytest.mark.parametrize("side", range(20, 36))
def test_both_poolings_give_maps_of_one_size(side):
    shapes = [
        [
            tuple(layer.output.shape)
            for layer in AlexNetSmall(pool=pool, input_shape=(side, side, 1)).layers
        ]
        for pool in ("overlapping", "non_overlapping")
    ]
    assert shapes[0] == shapes[1]


def test_groups_apply_to_the_second_fourth_and_fifth_convolution():
    model = AlexNetSmall(groups=2)
    grouped = {
        layer.name: layer.groups for layer in model.layers if isinstance(layer, GroupedConv2D)
    }
    assert grouped == {"conv2": 2, "conv4": 2, "conv5": 2}


@pytest.mark.parametrize("depth", [3, 4, 8])
def test_depth_is_the_number_of_convolutions(depth):
    names = [name for name in order(AlexNetSmall(depth=depth)) if name.startswith("conv")]
    assert names == [f"conv{i}" for i in range(1, depth + 1)]


def test_width_scales_filters_and_units():
    model = AlexNetSmall(width=0.5)
    sizes = [model.get_layer(n).output.shape[-1] for n in ("conv1", "conv2", "conv5", "fc6")]
    assert sizes == [12, 32, 32, 128]


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("norm", "bacth", "did you mean 'batch'"),
        ("norm_position", "after_pol", "did you mean 'after_pool'"),
        ("pool", "overlaping", "did you mean 'overlapping'"),
        ("pooling", "mean", "'avg', 'max'"),
        ("depth", 2, "at least 3"),
        ("classes", 0, "positive integer"),
        ("classes", 2.5, "positive integer"),
        ("weights", "imagenet", "none are published"),
    ],
)
def test_wrong_arguments_are_named(argument, value, message):
    top = {"include_top": False} if argument == "pooling" else {}
    with pytest.raises(ValueError, match=message) as error:
        AlexNetSmall(**top, **{argument: value})
    assert f"`{argument}`" in str(error.value)


def test_smallest_images():
    with tf.Graph().as_default():
        assert AlexNet(input_shape=(67, 67, 3)).get_layer("pool5").output.shape[1:3] == (1, 1)
        assert AlexNetBN(input_shape=(51, 51, 3)).get_layer("pool5").output.shape[1:3] == (1, 1)
        with pytest.raises(ValueError, match="at least 67x67"):
            AlexNet(input_shape=(66, 227, 3))
        with pytest.raises(ValueError, match="at least 51x51"):
            AlexNetBN(input_shape=(51, 50, 3))


def test_dropout_of_zero_leaves_training_deterministic():
    model = AlexNetSmall(dropout=0)
    x = np.random.default_rng(0).normal(size=(2, 28, 28, 1))
    np.testing.assert_array_equal(model(x, training=True), model(x, training=True))
