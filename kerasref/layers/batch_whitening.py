"""Whitening over the batch."""

from __future__ import annotations

import math

import keras
from keras import ops

from kerasref.layers.arguments import check_positive_integer


@keras.saving.register_keras_serializable(package="kerasref")
class BatchWhitening(keras.layers.Layer):
    """Batch normalisation that also removes correlations: outputs have unit covariance.

    Centred inputs are multiplied by the inverse of the Cholesky factor of their covariance, then
    scaled and shifted. In training the statistics are those of the batch, and averages move
    towards them; otherwise the averages are used. Whitens within groups of consecutive features,
    because a batch must be larger than the number of features that it whitens together.

    Input and output shape: `(batch, ..., features)`.
    Weights: `gamma`, `beta` `(features,)`, trained; `moving_mean` `(features,)` and
    `moving_covariance` `(groups, size, size)`, not trained.

    Args:
        group_size: most features that are whitened together; the size used is the largest divisor
            of the number of features up to it. 1 is batch normalisation.
        momentum: weight of the old value in the moving averages.
        epsilon: added to the variances.

    Raises:
        ValueError: `group_size` is not a positive integer.

    Source: D2L 7.5, exercise D2L-B6g; groups: Huang, Lang, Yang, Deng: Decorrelated batch
    normalization, 2018 (which whitens by the symmetric root, where this uses the Cholesky factor).
    """

    def __init__(self, group_size=16, momentum=0.9, epsilon=1e-3, **kwargs):
        super().__init__(**kwargs)
        self.group_size = check_positive_integer("group_size", group_size)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, input_shape):
        features = input_shape[-1]
        most = min(self.group_size, features)
        self._size = next(size for size in range(most, 0, -1) if features % size == 0)

        def add(name, shape, initializer, trainable):
            return self.add_weight(
                shape=shape,
                initializer=initializer,
                trainable=trainable,
                autocast=False,  # statistics are computed in the variables' own precision
                name=name,
            )

        groups = features // self._size
        self.gamma = add("gamma", (features,), "ones", True)
        self.beta = add("beta", (features,), "zeros", True)
        self.moving_mean = add("moving_mean", (features,), "zeros", False)
        self.moving_covariance = add(
            "moving_covariance", (groups, self._size, self._size), _identities, False
        )

    def call(self, inputs, training=False):
        x = ops.cast(inputs, self.variable_dtype)
        features = x.shape[-1]
        flat = ops.reshape(x, (-1, features))
        if training and self.trainable:
            mean = ops.mean(flat, 0)
            grouped = self._in_groups(flat - mean)
            values = ops.cast(ops.shape(flat)[0], grouped.dtype)
            covariance = ops.einsum("ngi,ngj->gij", grouped, grouped) / values
            for average, value in (
                (self.moving_mean, mean),
                (self.moving_covariance, covariance),
            ):
                average.assign(self.momentum * average + (1 - self.momentum) * value)
        else:
            mean, covariance = self.moving_mean, self.moving_covariance
            grouped = self._in_groups(flat - mean)
        identities = _identities(self.moving_covariance.shape, self.variable_dtype)
        factor = ops.cholesky(covariance + self.epsilon * identities)
        inverse = ops.solve_triangular(factor, identities, lower=True)
        white = ops.reshape(ops.einsum("gij,ngj->ngi", inverse, grouped), ops.shape(x))
        return ops.cast(self.gamma * white + self.beta, self.compute_dtype)

    def _in_groups(self, flat):
        return ops.reshape(flat, (-1, flat.shape[-1] // self._size, self._size))

    def compute_output_shape(self, input_shape):
        return input_shape

    def count_macs(self, input_shape, output_shape):
        """The whitening matrices' products; their factorisation is left out."""
        return math.prod(output_shape[1:]) * self._size

    def get_config(self):
        return {
            **super().get_config(),
            "group_size": self.group_size,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }


def _identities(shape, dtype=None):
    return ops.tile(ops.eye(shape[-1], dtype=dtype), (shape[0], 1, 1))
