"""Checks of dense connections: they say what they measure, and would notice if it were wrong."""

import keras
import pytest

from kerasref.checks import dense_connectivity as checks
from kerasref.models import blocks


@pytest.mark.parametrize(("layers", "pairs"), [(1, 1), (4, 10), (6, 21)])
def test_connections_are_triangular(layers, pairs):
    found = checks.connections(layers, growth_rate=2, channels=5)
    assert found["connections"] == pairs
    assert found["inputs_of_last"] == layers
    assert found["channels_of_last"] == 5 + 2 * (layers - 1)
    assert found["wrong_widths"] == 0


def test_a_chain_would_be_noticed(monkeypatch):
    def chain(x, layers, growth_rate, name):
        for number in range(1, layers + 1):
            y = blocks.norm_act(x, f"{name}_block{number}_0")
            x = blocks.conv(y, growth_rate, 3, f"{name}_block{number}_1_conv")
        return x

    monkeypatch.setattr(checks, "dense_block", chain)
    found = checks.connections(6)
    assert found["connections"] == 6
    assert found["wrong_widths"] == 5


@pytest.mark.parametrize("bottleneck", [None, 4])
def test_expansion_agrees_with_numpy(bottleneck):
    found = checks.expansion(bottleneck)
    assert found["error"] < 1e-5
    assert found["channels"] == 15


def test_expansion_notices_another_order(monkeypatch):
    original = checks.dense_block

    def reversed_block(x, *arguments, **options):
        return original(keras.ops.flip(x, axis=-1), *arguments, **options)

    monkeypatch.setattr(checks, "dense_block", reversed_block)
    assert checks.expansion()["error"] > 1e-2


def test_small_examples_are_d2ls():
    found = checks.small_examples()
    assert found.pop("pooling_error") < 1e-5
    assert found == {
        "block_height": 8,
        "block_channels": 23,
        "block_params": 1492,
        "transition_height": 4,
        "transition_channels": 10,
        "transition_params": 286,
    }


def test_parts_are_those_of_the_table():
    found = checks.parts()
    names = ("stem", "dense1", "transition1", "dense2", "transition2", "dense3", "transition3")
    assert sum(found[name] for name in (*names, "dense4", "head")) == 758_226
    assert [found[f"{name}_channels"] for name in names] == [64, 192, 96, 224, 112, 240, 120]


def test_memory_grows_with_the_square_of_the_depth():
    found = checks.memory(layers=8, growth_rate=2, channels=2)
    # 64 positions x (8 * 2 + 2 * 36) channels, then 64 x (16 * 2 + 2 * 136).
    assert found["concatenated"] == 64 * 88
    assert found["concatenated_twice"] == 64 * 304
    assert found["formula_error"] == 0
    assert found["added_ratio"] == 2


def test_kept_numbers_grow_with_the_image_alone():
    small, large = (checks.kept("DenseNetD2L", side) for side in (96, 224))
    assert small["concatenated"] == 468_000  # 576*24**2 + 704*12**2 + 768*6**2 + 800*3**2
    assert large["concatenated"] / small["concatenated"] == pytest.approx((7 / 3) ** 2)
    assert small["kept"] > small["convolved"] + small["concatenated"]


def test_series_and_split():
    series = checks.taylor()
    assert series["coefficient_error"] < 1e-12
    assert series["error"] < 1e-8 < series["error_2_terms"]
    assert checks.taylor(terms=2)["error"] == series["error_2_terms"]
    split = checks.residual_split()
    assert split["split_error"] < 1e-5
    assert split["identity_error"] < 1e-6
