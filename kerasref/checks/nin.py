"""The ReLU before NiN's global average pooling (D2L 7.3)."""

from __future__ import annotations

import keras
import numpy as np

from kerasref.harness.gradients import value_and_gradients
from kerasref.models import NiNSmall


def absorbing_state(final_activation: str | None = "relu", examples: int = 16) -> dict[str, float]:
    """NiN whose class maps are negative everywhere before their activation.

    The last layer's biases are set far below zero. Ledger D2L-A17, D2L-X19.

    Args:
        final_activation: of the class maps.
        examples: random images.

    Returns:
        `smallest_logit_at_start`, with initial weights; `loss` and `gradient_norm`, over all
        weights, of the cross-entropy with the biases set.
    """
    keras.utils.set_random_seed(0)
    model = NiNSmall(final_activation=final_activation, classifier_activation=None)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, 28, 28, 1)).astype("float32")
    labels = np.arange(examples) % 10
    smallest = np.asarray(model(x)).min()
    # Not all alike, so that without the ReLU the logits differ.
    model.get_layer("block4_mlp2").bias.assign(-100.0 - np.arange(10.0))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    value, gradients = value_and_gradients(
        lambda: loss(labels, model(x)), model.trainable_variables
    )
    return {
        "smallest_logit_at_start": smallest,
        "loss": value,
        "gradient_norm": sum(float(np.sum(gradient**2)) for gradient in gradients) ** 0.5,
    }
