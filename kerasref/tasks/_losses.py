"""The loss of classifiers."""

from __future__ import annotations

from typing import Any


def cross_entropy(label_smoothing: float = 0.0) -> Any:
    """Cross-entropy of class indices with predicted probabilities, a `keras.losses.Loss`.

    Args:
        label_smoothing: part of the target that is spread evenly over all classes (Szegedy et al.
            2016, section 7), from 0 to below 1.
    """
    import keras

    if not label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy()

    class SmoothedCrossEntropy(keras.losses.Loss):
        def call(self, y_true, y_pred):
            target = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), y_pred.shape[-1])
            return keras.losses.categorical_crossentropy(
                target, y_pred, label_smoothing=label_smoothing
            )

    return SmoothedCrossEntropy()
