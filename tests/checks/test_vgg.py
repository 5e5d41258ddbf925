"""Checks of VGG agree with the book's arithmetic, and can tell where a claim does not hold."""

import pytest

from kerasref.checks import dense_evaluation, receptive_field, vgg


@pytest.mark.parametrize(
    ("kernel", "layers", "size", "params"),
    [
        (3, 3, 7, 27 * 64**2 + 3 * 64),
        (7, 1, 7, 49 * 64**2 + 64),
        (3, 2, 5, 18 * 64**2 + 2 * 64),
        (5, 1, 5, 25 * 64**2 + 64),
        (1, 4, 1, 4 * 64**2 + 4 * 64),
    ],
)
def test_stacks_see_what_three_ways_say(kernel, layers, size, params):
    assert receptive_field.stack(kernel, layers, channels=64) == {
        "recursion": size,
        "backward": size,
        "measured": size,
        "params": params,
        "non_linearities": layers,
    }


def test_1x1_convolutions_leave_the_receptive_field_alone_and_3x3_do_not():
    b, c, d = (receptive_field.of_builder(n, "block5_pool") for n in ("VGG13", "VGG16C", "VGG16"))
    assert b == c == {"size": 156, "jump": 32, "backward": 156}
    assert d == {"size": 212, "jump": 32, "backward": 212}


def test_configuration_counts_the_papers_layers():
    found = vgg.configuration("VGG16C")
    assert [found[f"block{block}.convolutions"] for block in range(1, 6)] == [2, 2, 3, 3, 3]
    assert [found[f"block{block}.filters"] for block in range(1, 6)] == [64, 128, 256, 512, 512]
    assert [found[f"block{block}.side"] for block in range(1, 6)] == [112, 56, 28, 14, 7]
    assert (found["convolutions_3x3"], found["convolutions_1x1"]) == (10, 3)
    assert (found["weight_layers"], found["entries"], found["global_poolings"]) == (16, 8, 0)
    assert vgg.configuration("VGG11LRN")["lrn_layers"] == 1


def test_block_costs_of_vgg11_are_those_of_d2l():
    found = vgg.block_costs("VGG11D2L")
    params = [640, 73_856, 885_248, 3_539_968, 4_719_616]
    assert [found[f"block{block}.params"] for block in range(1, 6)] == params
    assert found["params_growth"] == pytest.approx(73_856 / 640)


def test_costs_are_compared_both_ways():
    one, other = vgg.compare("VGG16", "VGG19"), vgg.compare("VGG19", "VGG16")
    assert one["macs_ratio"] == pytest.approx(15_470_264_320 / 19_632_062_464)
    assert other["params_ratio"] == pytest.approx(143_667_240 / 138_357_544)
    assert (one["first_is_cheaper"], other["first_is_cheaper"]) == (1, 0)


def test_dense_evaluation_is_exact_without_padding_only():
    exact, padded = (dense_evaluation.larger_image(0, padding) for padding in ("valid", "same"))
    assert exact["positions"] == padded["positions"] == 25
    assert exact["error"] < 1e-5
    assert padded["error"] > 1e-2


def test_the_fully_convolutional_form_equals_the_dense_one_at_224():
    found = dense_evaluation.at_training_size(0)
    assert found.pop("error") < 1e-5
    assert found == {
        "rows": 1,
        "columns": 1,
        "rows_at_256": 2,
        "columns_at_320": 4,
        "params_difference": 0,
    }


def test_crops_miss_what_lies_between_them():
    found = dense_evaluation.coverage(0)
    # Four bars of 64x144 pixels stay outside the five crops of 224 in 512x512.
    assert found["missed"] == pytest.approx(4 * 64 * 144 / 512**2)
    assert found["crops_change"] == 0
    assert found["dense_change"] > 1e-5


def test_crops_of_a_small_image_miss_nothing():
    found = dense_evaluation.coverage(0, side=320)
    assert found["missed"] == 0
    assert found["crops_change"] > 1e-5
