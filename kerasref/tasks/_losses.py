"""The loss of classifiers. Imports Keras: import it inside functions."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="kerasref")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy of class indices with probabilities; part of the target goes to all classes.

    Args:
        label_smoothing: that part, from 0 to below 1.

    Source: Szegedy et al. 2016, section 7.
    """

    def __init__(self, label_smoothing: float, name="smoothed_cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        target = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), y_pred.shape[-1])
        return keras.losses.categorical_crossentropy(
            target, y_pred, label_smoothing=self.label_smoothing
        )

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def cross_entropy(label_smoothing: float = 0.0) -> keras.losses.Loss:
    """Cross-entropy of class indices with predicted probabilities; smoothed where not 0."""
    if not label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy()
    return SmoothedCrossEntropy(label_smoothing)
