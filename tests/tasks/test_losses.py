"""The loss of classifiers."""

import keras
import numpy as np
import pytest

from kerasref.tasks import _losses

LABELS = np.array([2, 0, 1])
PROBABILITIES = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.3, 0.3, 0.4]], "float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothing_mixes_the_label_with_the_uniform_distribution(smoothing):
    logs = -np.log(PROBABILITIES)
    labelled = logs[np.arange(3), LABELS]
    expected = np.mean((1 - smoothing) * labelled + smoothing * logs.mean(axis=1))
    assert float(_losses.cross_entropy(smoothing)(LABELS, PROBABILITIES)) == pytest.approx(expected)


def test_smoothed_loss_keeps_its_smoothing_in_its_configuration():
    loss = _losses.cross_entropy(0.2)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(again(LABELS, PROBABILITIES)) == float(loss(LABELS, PROBABILITIES))
