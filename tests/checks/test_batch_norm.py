"""The identities of batch normalisation hold where they should, and only there."""

import pytest

from kerasref.checks import batch_norm


def test_batches_come_out_standardised():
    found = batch_norm.standardises(examples=16, side=3, features=4)
    assert len(found) == 6
    assert all(error < 1e-4 for error in found.values())


def test_output_depends_on_its_own_feature_of_the_whole_batch():
    assert batch_norm.values_averaged(examples=3, height=2, width=4) == {
        "fc_same_feature": 3,
        "fc_other_features": 0,
        "conv_same_channel": 24,
        "conv_other_channels": 0,
    }


def test_batch_of_one_stops_a_dense_layer_but_no_convolution():
    found = batch_norm.batch_of_one()
    assert (found["fc_all_zero"], found["conv_all_zero"]) == (1, 0)
    assert found["fc_gradient"] == 0
    assert found["conv_gradient"] > 1e-3


def test_only_prediction_leaves_other_examples_alone():
    found = batch_norm.modes(updates=3, momentum=0.5)
    assert found["prediction_companion_change"] == found["prediction_repeat_change"] == 0
    assert min(found["training_companion_change"], found["mode_change"]) > 0.1
    assert found["average_error"] < 1e-5


def test_affine_given_the_statistics_and_not_otherwise():
    found = batch_norm.linearity()
    assert max(found["given_error"], found["fold_error"]) < 1e-4
    assert found["batch_error"] > 0.1


def test_scratch_and_framework_train_alike():
    assert all(error < 1e-4 for error in batch_norm.scratch_equals_keras(steps=2).values())


def test_hidden_layer_is_sigmoid_of_normalised_affine_map():
    assert batch_norm.before_activation()["formula_error"] < 1e-5


def test_bias_matters_only_without_normalisation():
    found = batch_norm.bias_is_redundant(steps=4)
    for name in ("output_change", "bias_gradient", "kernel_change"):
        assert found[name] < 1e-5
        assert found[f"plain_{name}"] > 1e-2


def test_scale_of_weights_is_removed_and_divides_the_gradient():
    found = batch_norm.rescaled_layer(factor=8.0)
    assert found["output_change"] < 1e-5
    assert found["gradient_ratio"] == pytest.approx(1 / 8, rel=1e-4)
    assert found["plain_output_change"] > 1e-2


def test_learned_parameters_are_one_pair_per_feature():
    assert batch_norm.learned_parameters() == {
        "conv_gamma": 6,
        "conv_beta": 6,
        "fc_gamma": 120,
        "fc_beta": 120,
        "conv_input": 24 * 24 * 6,
        "learned_scales": 2,
        "learned_shifts": 2,
    }


def test_momentum_is_the_weight_of_the_old_average():
    found = batch_norm.defaults()
    assert found["keras_new_share"] == pytest.approx(0.01, rel=1e-4)
    assert found["papers_new_share"] == pytest.approx(0.1, rel=1e-4)


def test_layer_norm_needs_no_batch():
    found = batch_norm.layer_norm()
    names = ("mean", "variance_error", "companion_change", "mode_change", "scale_change")
    assert all(found[name] < 1e-5 for name in names)
    assert found["batch_norm_companion_change"] > 0.1
