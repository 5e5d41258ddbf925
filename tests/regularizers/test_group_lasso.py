"""GroupLasso against formula (2.12) written out."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasref.regularizers import GroupLasso


def test_sums_the_norms_of_groups():
    weights = np.random.default_rng(0).normal(size=(1, 1, 5, 6)).astype("float32")
    expected = sum(
        math.sqrt(sum(weights[0, 0, j, 2 * g + i] ** 2 for i in range(2)))
        for g in range(3)
        for j in range(5)
    )
    assert float(GroupLasso(0.1, 3)(weights)) == pytest.approx(0.1 * expected, rel=1e-6)


def test_windows_belong_to_their_feature():
    weights = np.random.default_rng(0).normal(size=(3, 3, 4, 2)).astype("float32")
    expected = np.sqrt((weights**2).sum(axis=(0, 1, 3))).sum()
    assert float(GroupLasso(1.0, 1)(weights)) == pytest.approx(expected, rel=1e-6)
    assert float(GroupLasso(1.0, 2)(weights[0, 0])) == pytest.approx(
        np.abs(weights[0, 0]).sum(), rel=1e-6
    )


def test_gradient_points_along_the_group_and_is_zero_at_zero():
    kernel = tf.Variable([[3.0, 4.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        value = GroupLasso(2.0, 2)(kernel)
    np.testing.assert_allclose(tape.gradient(value, kernel), [[1.2, 1.6, 0, 0]], rtol=1e-6)


def test_is_serialisable():
    copy = keras.regularizers.deserialize(keras.regularizers.serialize(GroupLasso(0.3, 2)))
    assert (copy.strength, copy.groups) == (0.3, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strength": -1}, "`strength` must be at least 0"),
        ({"strength": float("nan")}, "`strength` must be at least 0"),
        ({"groups": 0}, "`groups` must be a positive integer"),
        ({"groups": 4}, "`groups` must divide 6 filters, 4 does not"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        GroupLasso(**arguments)(np.zeros((2, 6)))
