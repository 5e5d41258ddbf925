"""The checks find what book and paper say, and would notice another network."""

import numpy as np
import pytest

from kerasref import compression
from kerasref.checks import squeezenet


@pytest.mark.parametrize(
    ("arguments", "channels"),
    [
        ({}, (3, 4, 4, 8)),
        ({"channels": 12, "squeezed": 5, "share_3x3": 0.25}, (5, 9, 3, 12)),
    ],
)
def test_fire_module_is_squeeze_then_two_expansions(arguments, channels):
    found = squeezenet.fire_module(**arguments)
    assert found["error"] < 1e-5
    assert found["size_kept"] == 1
    names = ("squeezed", "by_1x1", "by_3x3", "channels")
    assert tuple(found[name] for name in names) == channels


def test_another_module_is_noticed(monkeypatch):
    monkeypatch.setattr(
        squeezenet, "_convolve", lambda x, layer: np.ones((*x.shape[:3], layer.filters))
    )
    assert squeezenet.fire_module()["error"] > 0.1


def test_costs_of_convolutions():
    found = squeezenet.convolution_cost(inputs=64, outputs=32)
    assert (found["by_3x3"], found["by_1x1"]) == (9 * 64 * 32, 64 * 32)
    assert found["over_product"] == found["over_1x1"] == 9
    assert (found["half_inputs"], found["half_outputs"], found["half_both"]) == (0.5, 0.5, 0.25)
    assert found["fire"] == 64 * 4 + 4 * 16 + 9 * 4 * 16


@pytest.mark.parametrize(
    ("form", "params", "convolutions"),
    [
        ("book", 58_304_586, 3_729_472),
        ("paper", 60_965_224, 2_334_080),
        ("one_group", 62_378_344, 3_747_200),
    ],
)
def test_comparison_with_three_alexnets(form, params, convolutions):
    found = squeezenet.against_alexnet(form)
    assert (found["alexnet"], found["without_dense"]) == (params, convolutions)
    assert found["percent"] == pytest.approx(100 * 1_248_424 / params)
    assert found["share_without_dense"] == pytest.approx(1_248_424 / convolutions)
    gains = found["gain_of_dense"] * found["gain_of_the_rest"]
    assert gains == pytest.approx(found["times_smaller"]) == params / 1_248_424
    assert (found["layers"], found["alexnet_layers"]) == (18, 8)


def test_pruning_with_the_papers_shares_keeps_the_papers_numbers():
    found = squeezenet.compressed_size()
    layers = {
        "conv1": 14_208,
        "fire2": 5_746,
        "fire3": 6_258,
        "fire4": 20_646,
        "fire5": 24_742,
        "fire6": 44_700,
        "fire7": 46_236,
        "fire8": 77_581,
        "fire9": 77_581,
        "conv10": 103_400,
    }
    assert {name: found[name] for name in layers} == layers
    assert (found["params"], found["kept"]) == (1_248_424, 421_098)
    assert found["read_equals"] == 1
    assert 0.25 < found["file_megabytes"] < 0.5


def test_a_file_of_another_network_is_noticed(monkeypatch):
    monkeypatch.setattr(compression, "load", lambda path, model: None)
    assert squeezenet.compressed_size()["read_equals"] == 0
