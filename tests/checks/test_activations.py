import numpy as np
import pytest
from scipy.special import expit

from kerasref.checks import activations


def test_ranges_are_those_of_the_functions():
    found = activations.ranges(limit=3.0)
    assert found["tanh_max"] == pytest.approx(np.tanh(3.0), abs=1e-12)
    assert found["tanh_min"] == pytest.approx(-np.tanh(3.0), abs=1e-12)
    assert found["sigmoid_max"] == pytest.approx(expit(3.0), abs=1e-12)
    assert found["sigmoid_min"] == pytest.approx(expit(-3.0), abs=1e-12)
    assert found["tanh_inside"] == found["sigmoid_inside"] == 1


def test_ranges_notice_a_bound_that_is_reached():
    assert activations.ranges(limit=100.0)["tanh_inside"] == 0  # rounds to 1 in float64


def test_slopes_agree_with_the_closed_forms():
    found = activations.slopes()
    assert found["sigmoid_slope_max"] == pytest.approx(0.25)
    assert found["sigmoid_slope_at_10"] == pytest.approx(expit(10) * expit(-10), rel=1e-9)
    assert found["tanh_slope_at_10"] == pytest.approx(1 / np.cosh(10) ** 2, rel=1e-6)
    assert (found["relu_slope_positive"], found["relu_slope_negative"]) == (1, 0)


def test_softmax_widens_gaps_between_positive_logits_only():
    found = activations.softmax()
    assert found["gap_widened_positive"] == 1
    assert found["gap_widened_negative"] == 0
    assert found["prediction_kept"] == 1
