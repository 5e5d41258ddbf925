"""Batch normalisation, written out."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasref.layers.arguments import check_positive_integer


def batch_statistics(x: Any) -> tuple[Any, Any]:
    """Mean and variance of a batch, `(features,)` each.

    The features are on the last axis; the average goes over all others: over the examples of a
    dense layer's output `(batch, features)`, over examples and positions of a convolution's
    `(batch, height, width, channels)`. The variance is that of the batch itself, divided by the
    number of values and not by one less.

    Source: D2L 7.5, ledger D2L-E2 (its epsilon is an argument of `batch_norm`), D2L-C10, D2L-C11.
    """
    axes = list(range(len(x.shape) - 1))
    mean = ops.mean(x, axes)
    return mean, ops.mean(ops.square(x - mean), axes)


def batch_norm(x: Any, mean: Any, variance: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

    Linear in `x`, given the statistics.

    Args:
        x: `(..., features)`.
        mean: `(features,)`, as the three that follow; a scalar serves all features.
        variance: of the features, not negative.
        gamma: scale.
        beta: shift.
        epsilon: keeps the divisor away from 0.

    Source: D2L 7.5, ledger D2L-E1.
    """
    return gamma * (x - mean) * ops.rsqrt(variance + epsilon) + beta


@keras.saving.register_keras_serializable(package="kerasref")
class BatchNormFromScratch(keras.layers.Layer):
    """Batch normalisation over the last axis, with parts that can be taken out.

    In training it normalises with the statistics of the batch and moves its averages towards
    them; otherwise, or where it is frozen (`trainable = False`), with the averages. With the
    default arguments it computes what `keras.layers.BatchNormalization` does for the same momentum
    and epsilon. Several replicas each use the statistics of their own examples.

    Input and output shape: `(batch, ..., features)`.
    Weights, `(features,)` each: `gamma` (from 1) and `beta` (from 0), trained; `moving_mean`
    (from 0) and `moving_variance` (from 1), not trained.

    Args:
        momentum: weight of the old value in the moving averages, as in Keras and the Chinese
            edition; PyTorch and the English edition name the weight of the new one, 1 minus this.
        epsilon: added to the variance.
        center: whether to subtract the mean; if not, 0 takes its place.
        divide: whether to divide by the standard deviation; if not, 1 takes the variance's place.
        affine: whether scale and shift are learned; if not, they stay 1 and 0.
        virtual_batch: number of consecutive examples whose statistics normalise them in training;
            must divide the batch. None for the whole batch.

    Raises:
        ValueError: momentum outside 0..1, epsilon that is not positive or a `virtual_batch` that
            is no positive integer.

    Source: D2L 7.5, ledger D2L-C9 to D2L-C13, D2L-K22, D2L-K23; parts left out: exercise D2L-B6;
    virtual batches: Hoffer, Hubara, Soudry: Train longer, generalize better, 2017.
    """

    def __init__(
        self,
        momentum=0.9,
        epsilon=1e-5,
        center=True,
        divide=True,
        affine=True,
        virtual_batch=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not 0 <= momentum <= 1:
            raise ValueError(f"`momentum` must be between 0 and 1, not {momentum!r}")
        if not epsilon > 0:
            raise ValueError(f"`epsilon` must be positive, not {epsilon!r}")
        if virtual_batch is not None:
            check_positive_integer("virtual_batch", virtual_batch)
        self.momentum, self.epsilon = momentum, epsilon
        self.center, self.divide, self.affine = center, divide, affine
        self.virtual_batch = virtual_batch

    def build(self, input_shape):
        def add(name, initializer, trainable):
            return self.add_weight(
                shape=(input_shape[-1],),
                initializer=initializer,
                trainable=trainable,
                autocast=False,  # statistics are computed in the variables' own precision
                name=name,
            )

        self.gamma = add("gamma", "ones", self.affine)
        self.beta = add("beta", "zeros", self.affine)
        self.moving_mean = add("moving_mean", "zeros", False)
        self.moving_variance = add("moving_variance", "ones", False)

    def call(self, inputs, training=False):
        x = ops.cast(inputs, self.variable_dtype)
        if not (training and self.trainable):
            mean, variance = self.moving_mean, self.moving_variance
        elif self.virtual_batch is None:
            mean, variance = batch_statistics(x)
            self._move_averages(mean, variance)
        else:
            mean, variance = self._virtual_statistics(x)
        mean = mean if self.center else 0.0
        variance = variance if self.divide else 1.0 - self.epsilon  # to which epsilon is added
        normalised = batch_norm(x, mean, variance, self.gamma, self.beta, self.epsilon)
        return ops.cast(normalised, self.compute_dtype)

    def _move_averages(self, mean, variance):
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(self.momentum * average + (1 - self.momentum) * value)

    def _virtual_statistics(self, x):
        """Statistics of each example's virtual batch, in shapes that go with `x`."""
        groups = ops.reshape(x, (-1, self.virtual_batch, *x.shape[1:]))
        inside = list(range(1, len(groups.shape) - 1))
        mean = ops.mean(groups, inside, keepdims=True)
        variance = ops.mean(ops.square(groups - mean), inside, keepdims=True)
        self._move_averages(*(ops.mean(s, [0, *inside]) for s in (mean, variance)))
        return tuple(
            ops.repeat(ops.squeeze(s, 1), self.virtual_batch, axis=0) for s in (mean, variance)
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def count_macs(self, input_shape, output_shape):
        """None: normalisation is left out, as Keras's own is."""
        return 0

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "divide": self.divide,
            "affine": self.affine,
            "virtual_batch": self.virtual_batch,
        }
