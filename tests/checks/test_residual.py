"""The identities hold where they should, and the checks can tell where they do not."""

import pytest

from kerasref.checks import residual, resnet_d2l, resnet_gradients


def test_sums_hold_with_preactivation_only():
    good, bad = residual.sums(units=4), residual.sums(units=4, order="original")
    assert good["sum_error"] < 1e-5
    assert good["gradient_error"] < 1e-5
    assert good["gradient_share"] > 0
    assert bad["sum_error"] > 1e-2
    assert bad["gradient_error"] > 1e-2


@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_gradients_are_products_of_the_factors(scale):
    found = residual.products(scale, units=6)
    assert found["gradient"] == pytest.approx(scale**6, rel=1e-5)
    assert found["gradient_error"] < 1e-5
    assert found["sum_error"] < 1e-5


def test_paths_of_a_linear_network():
    found = residual.paths(blocks=4)
    assert found["paths"] == 16
    assert found["sum_error"] < 1e-12
    assert [found[f"length_{k}"] for k in range(5)] == [1, 4, 6, 4, 1]


def test_dropped_shortcuts_lose_their_signal():
    found = residual.dropped_shortcuts(rate=0.3, units=3, samples=50_000)
    assert found["kept"] == pytest.approx(0.7, abs=0.01)
    assert found["rescaled"] == pytest.approx(1, abs=0.015)
    assert found["surviving"] == pytest.approx(0.343, abs=0.01)
    assert found["kept_through"] == pytest.approx(0.343, abs=0.01)


def test_copied_layers_change_nothing_and_random_ones_do():
    found = residual.copied_layers(depth=20)
    assert (found["shallow_layers"], found["deep_layers"]) == (16, 20)
    assert found["output_change"] == 0
    assert found["random_change"] > 1e-4


def test_a_shortcut_keeps_information_but_adds_none():
    found = residual.information(values=16, levels=4)
    assert found["before"] == 4
    assert found["plain"] <= 2
    assert found["gains"] == 0
    assert found["residual_minus_plain"] > 0


def test_configurations_are_counted():
    assert residual.orders() == {"shortcuts": 11, "kinds": 6, "orders": 5}


def test_larger_function_classes_are_worse_only_where_they_are_not_nested():
    found = resnet_d2l.function_classes(largest=5)
    assert found["nested_rises"] == found["beaten"] == 0
    assert found["nested_inclusions"] == 4
    assert found["other_rises"] > 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, {"params": 180, "height": 6, "width": 6, "channels": 3}),
        ({"filters": 6, "strides": 2}, {"params": 546, "height": 3, "width": 3, "channels": 6}),
    ],
)
def test_blocks_are_those_of_the_listings(arguments, expected):
    found = resnet_d2l.block(**arguments)
    assert {name: found[name] for name in expected} == expected


def test_outputs_fall_below_inputs_unless_the_residual_ends_in_a_relu():
    assert resnet_d2l.block(order="relu_before_addition")["below_input"] == 0
    assert resnet_d2l.block(order="preactivation")["below_input"] > 0.1
    assert resnet_d2l.block(order="relu_before_addition")["relus_before_addition"] == 2


def test_resnext_block_is_d2ls():
    assert resnet_d2l.resnext_block() == {
        "params": 6944,
        "groups": 2,
        "height": 96,
        "width": 96,
        "channels": 32,
    }


def test_zero_residuals_are_the_identity():
    found = resnet_d2l.residual_mapping()
    assert found["identity_error"] == 0
    assert found["mapping_error"] < 1e-5
    assert found["plain_change"] > 0.1
    added = resnet_d2l.added_layers(deep=14)
    assert added["added_units"] == 3
    assert added["output_change"] == 0 < added["random_change"]


def test_shapes_that_differ_are_refused():
    found = resnet_d2l.shape_errors()
    assert found == {"same": 0, "channels": 1, "size": 1, "projected": 0}


def test_concatenation_is_a_sum_of_projections():
    found = resnet_d2l.concatenation()
    assert found["sum_error"] < 1e-12
    assert found["shortcut_error"] == 0
    assert (found["channels_added"], found["channels_concatenated"]) == (4, 8)


def test_gradients_vanish_and_explode_without_normalisation():
    plain = {"depth": 14, "seed": 0, "shortcut": None, "width": 4}
    small, large = (
        resnet_gradients.untrained(**plain, norm=None, init_scale=scale) for scale in (0.5, 2.0)
    )
    normed = [resnet_gradients.untrained(**plain, init_scale=scale) for scale in (0.5, 2.0)]
    assert small["first_gradient"] < 0.1 * min(n["first_gradient"] for n in normed)
    assert large["first_gradient"] > 10 * max(n["first_gradient"] for n in normed)
    assert normed[0]["imbalance"] == pytest.approx(normed[1]["imbalance"], abs=0.01)


def test_maps_keep_their_shape_in_the_first_stage():
    found = resnet_gradients.untrained(depth=14, seed=0, width=4)
    assert -1 <= found["kept"] <= 1
    assert found["imbalance"] == abs(found["log10_gradient_ratio"])
