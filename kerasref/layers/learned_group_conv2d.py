"""Learned group convolution: a 1x1 convolution that finds out which inputs each group needs."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from kerasref.layers.condensing_conv2d import CondensingConv2D


@keras.saving.register_keras_serializable(package="kerasref")
class LearnedGroupConv2D(CondensingConv2D):
    """1x1 convolution of which each group of filters gives up input features while it trains.

    It starts as an ordinary convolution. Each call of `condense`, made between two steps, masks
    1/C of the input features for each group of consecutive filters: those whose weights have the
    smallest sum of absolute values in the group (2.11). After C - 1 calls each group sees R / C of
    the R features, its own choice; `kerasref.models.condensed` then turns the layer into an index
    and a standard group convolution. Masked weights stay where they are, so that neither memory
    nor multiplications are saved while training.

    The state is all in the weights: `kernel` `(1, 1, R, filters)`, `mask` `(groups, R)` of ones
    and zeros, not trainable, and `bias`.

    Input shape: `(batch, height, width, R)`; R a multiple of `condensation`.
    Output shape: `(batch, height, width, filters)`.

    Args:
        filters: number of output channels, a multiple of `groups`.
        groups: G, groups of filters that choose their features together.
        condensation: C, the condensation factor: 1/C of the weights remains.
        use_bias: whether to add a bias.
        kernel_initializer: of the kernel.
        kernel_regularizer: of the kernel with the masked weights at zero, such as
            `kerasref.regularizers.GroupLasso`.

    Raises:
        ValueError: an argument out of its range, or R that `condensation` does not divide.

    Source: Huang, Liu, van der Maaten, Weinberger: CondenseNet, 2018, section 3; dlnotes 2.6,
    ledger M2.6a, A2.6-3, A2.6-8, A2.6-9.
    """

    def __init__(self, filters, *args, kernel_regularizer=None, **kwargs):
        super().__init__(filters, *args, **kwargs)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        self.add_kernel(input_shape[-1], remaining=False)
        if self.kernel_regularizer is not None:
            self.kernel.regularizer = lambda kernel: self.kernel_regularizer(self._masked(kernel))
        self.mask = self.add_weight(
            (self.groups, input_shape[-1]), "ones", name="mask", trainable=False
        )

    def _masked(self, kernel):
        mask = ops.repeat(ops.transpose(self.mask), self.filters // self.groups, axis=1)
        return kernel * ops.cast(mask, kernel.dtype)

    def convolve(self, inputs):
        return ops.conv(inputs, self._masked(self.kernel), data_format="channels_last")

    @property
    def stage(self) -> int:
        """How often the layer has condensed, from 0 to C - 1."""
        features = self.mask.shape[1]
        kept = np.count_nonzero(ops.convert_to_numpy(self.mask[0]))
        return self.condensation - round(kept * self.condensation / features)

    def importance(self) -> np.ndarray:
        """Sum over a group's filters of |weight| for each feature (2.11), `(groups, R)`.

        Masked features have 0.
        """
        kernel = np.abs(ops.convert_to_numpy(self._masked(self.kernel))[0, 0])
        return kernel.reshape(len(kernel), self.groups, -1).sum(axis=2).T

    def condense(self) -> None:
        """Mask the R / C least important features of each group that are not masked yet.

        Raises:
            ValueError: after C - 1 calls, when the features that remain are the ones to keep.
        """
        if self.stage == self.condensation - 1:
            raise ValueError(
                f"{self.name} has condensed {self.stage} times; with `condensation="
                f"{self.condensation}` nothing more is to be given up"
            )
        mask = ops.convert_to_numpy(self.mask).copy()
        importance = np.where(mask > 0, self.importance(), np.inf)
        least = np.argsort(importance, axis=1, kind="stable")
        np.put_along_axis(mask, least[:, : mask.shape[1] // self.condensation], 0, axis=1)
        self.mask.assign(mask)

    def indices(self) -> np.ndarray:
        """The features that each group sees, in rising order, `(groups, R / C)`.

        Raises:
            ValueError: before the last call of `condense`.
        """
        missing = self.condensation - 1 - self.stage
        if missing:
            raise ValueError(
                f"{self.name} must condense {missing} more times before each group has its features"
            )
        mask = ops.convert_to_numpy(self.mask)
        return np.stack([np.flatnonzero(group) for group in mask]).astype("int32")

    def count_macs(self, input_shape, output_shape):
        """All multiply-accumulates per example, those with masked weights included."""
        return math.prod(output_shape[1:]) * input_shape[-1]

    def get_config(self):
        regularizer = keras.regularizers.serialize(self.kernel_regularizer)
        return {**super().get_config(), "kernel_regularizer": regularizer}
