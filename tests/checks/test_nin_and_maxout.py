"""The checks of dlnotes 1.3 and D2L 7.3 hold where they should, and can tell where they do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import entropy

from kerasref.checks import ensembles, information, maxout, nin, pointwise

POSITIVE = st.floats(1e-3, 1.0)


@pytest.mark.parametrize("pieces", [1, 3, 10])
def test_tangents_miss_the_square_by_one_over_k_squared(pieces):
    found = maxout.tangents(pieces)
    assert found["square_error"] == pytest.approx(1 / pieces**2)
    # The curvature of exp is at most e, half of which multiplies (x - c)**2.
    assert found["exp_error"] <= np.e / 2 / pieces**2


def test_two_pieces_are_exact():
    assert maxout.two_pieces() == {"relu_error": 0, "abs_error": 0}


def test_a_maxout_unit_is_convex_and_misses_what_is_not():
    x = np.linspace(-1, 1, 1001)
    rng = np.random.default_rng(0)
    values = maxout._unit(rng.normal(size=6), rng.normal(size=6), x)
    assert np.diff(values, 2).min() > -1e-12


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.7])
def test_geometric_mean_is_the_layer_scaled_by_the_probability_to_keep(rate):
    found = ensembles.geometric_mean(rate, inputs=7)
    assert found["subnetworks"] == 128
    assert found["best_factor"] == pytest.approx(1 - rate)
    assert found["error"] < 1e-12
    assert (found["error_with_rate"] < 1e-12) == (rate == 0.5)


def test_dropout_shares_weights_and_bagging_does_not():
    found = ensembles.shared_weights(inputs=5, steps=30)
    assert found == {"dropout_changed": 1, "bagging_changed": 0, "distinct_masks": 1}


def test_random_chains_lose_information():
    found = information.data_processing(chains=200)
    assert found["largest_gain"] <= 1e-12
    assert found["relabelling_loss"] < 1e-12
    assert 0.2 < found["gains_without_markov"] < 0.8


@settings(deadline=None)
@given(
    arrays.arrays(float, (3, 4), elements=POSITIVE), arrays.arrays(float, (4, 5), elements=POSITIVE)
)
def test_no_step_of_a_chain_adds_information(joint, step):
    joint, step = joint / joint.sum(), step / step.sum(axis=1, keepdims=True)
    through = information._mutual_information(joint)
    assert information._mutual_information(joint @ step) <= through + 1e-12
    x, y = joint.sum(axis=1), joint.sum(axis=0)
    assert through == pytest.approx(entropy(x) + entropy(y) - entropy(joint.ravel()), abs=1e-9)


def test_a_1x1_convolution_is_a_dense_layer_per_pixel():
    found = pointwise.dense_per_pixel(channels=3, filters=5)
    assert found["error"] < 1e-5
    assert (found["positions_touched"], found["channels_mixed"]) == (1, 1)
    assert (found["positions_kept"], found["channels_out"]) == (1, 5)


def test_a_block_is_a_perceptron_per_window():
    found = pointwise.perceptron_per_window(kernel=3, size=9)
    assert found["windows"] == 49
    assert found["error"] < 1e-5


def test_global_average_has_no_weights_and_takes_any_size():
    found = pointwise.global_average()
    assert (found["params"], found["sizes"], found["sizes_with_dense_head"]) == (0, 3, 1)
    assert found["error"] < 1e-6


def test_only_the_relu_traps():
    trapped, free = nin.absorbing_state(), nin.absorbing_state(None)
    assert trapped["loss"] == pytest.approx(np.log(10), abs=1e-5)
    assert trapped["gradient_norm"] == 0 < free["gradient_norm"]
    assert trapped["smallest_logit_at_start"] >= 0 > free["smallest_logit_at_start"]
