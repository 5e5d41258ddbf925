"""Redundancy of channels whose dependence is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasref.analysis.effective_rank import channel_redundancy


def independent(channels, observations=4096):
    """Columns of +-1 that are exactly uncorrelated."""
    signs = np.array([[1.0]])
    while len(signs) < observations:
        signs = np.block([[signs, signs], [signs, -signs]])
    return signs[:, 1 : channels + 1]


@given(st.integers(2, 12), st.integers(0, 1000))
def test_uncorrelated_channels_have_full_rank_at_any_scale(channels, seed):
    rng = np.random.default_rng(seed)
    x = independent(channels, 64) * rng.uniform(0.1, 10, channels) + rng.normal(size=channels)
    found = channel_redundancy(x)
    assert found.effective_rank == pytest.approx(channels)
    assert found.redundancy == pytest.approx(0, abs=1e-9)
    assert found.correlation == pytest.approx(0, abs=1e-9)


def test_copies_have_rank_one():
    one = np.random.default_rng(0).normal(size=(100, 1))
    found = channel_redundancy(one * [1, -2, 3, 0.5])
    assert found.effective_rank == pytest.approx(1)
    assert found.redundancy == pytest.approx(0.75)
    assert found.correlation == pytest.approx(1)


def test_pairs_of_copies_have_half_the_rank():
    x = independent(3)
    assert channel_redundancy(np.repeat(x, 2, axis=1)).effective_rank == pytest.approx(3)


def test_two_channels_by_hand():
    """Correlation 0.6: eigenvalues 1.6 and 0.4 of 2."""
    a, b = independent(2).T
    found = channel_redundancy(np.stack([a, 0.6 * a + 0.8 * b], axis=1))
    assert found.effective_rank == pytest.approx(np.exp(-0.8 * np.log(0.8) - 0.2 * np.log(0.2)))
    assert found.correlation == pytest.approx(0.6)


def test_positions_are_observations_and_constants_add_nothing():
    x = independent(2).reshape(64, 8, 8, 2)
    constant = np.full((64, 8, 8, 2), 7.0)
    found = channel_redundancy(np.concatenate([x, constant], axis=-1))
    assert found.effective_rank == pytest.approx(2)
    assert found.redundancy == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(1, 5), (10, 1)])
def test_too_little_is_refused(shape):
    with pytest.raises(ValueError, match="two observations of two channels"):
        channel_redundancy(np.zeros(shape))


def test_constant_maps_have_no_redundancy():
    assert math.isnan(channel_redundancy(np.ones((10, 3))).redundancy)
