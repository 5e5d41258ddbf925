"""Test form of learned group convolution: indices and a convolution in groups."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from kerasref.layers.condensing_conv2d import CondensingConv2D
from kerasref.layers.index_channels import index_weight


@keras.saving.register_keras_serializable(package="kerasref")
class IndexedGroupConv2D(CondensingConv2D):
    """`IndexChannels`, then a 1x1 convolution in groups: a condensed learned group convolution.

    Group g of the filters sees channels `indices[g]`. It is what `LearnedGroupConv2D` becomes
    once it has condensed; `kernel` `(1, 1, R / C, filters)` holds the weights that remain and
    `indices` `(groups, R / C)`, int32 and not trainable, where they belong; `bias`.

    On TensorFlow without a GPU the layer puts the few weights where they belong, zeros elsewhere,
    and convolves once. Gathering the maps instead takes longer there than the whole convolution,
    and so do the `groups` small ones; all forms give the same numbers but for rounding.

    Input shape: `(batch, height, width, R)`; R a multiple of `condensation`.
    Output shape: `(batch, height, width, filters)`.

    Args:
        filters: number of output channels, a multiple of `groups`.
        groups: G.
        condensation: C, the condensation factor.
        use_bias: whether to add a bias.
        kernel_initializer: of the kernel.

    The indices of a new layer go round the channels in order: for G = C it is a standard group
    convolution.

    Raises:
        ValueError: an argument out of its range, or R that `condensation` does not divide.

    Source: Huang et al. 2018, section 3.1; dlnotes 2.6, ledger M2.6b, A2.6-4, A2.6-9.
    """

    def build(self, input_shape):
        self.add_kernel(input_shape[-1], remaining=True)
        kept = self.kernel.shape[2]
        order = np.arange(self.groups * kept).reshape(self.groups, kept) % input_shape[-1]
        self.indices = index_weight(self, order)

    def convolve(self, inputs):
        return (self._scatter_weights if _on_tensorflow_cpu() else self._gather_channels)(inputs)

    def _scatter_weights(self, inputs):
        kept, size = self.kernel.shape[2], self.filters // self.groups
        groups = np.repeat(np.arange(self.groups, dtype="int32"), kept)
        places = ops.stack([ops.reshape(self.indices, (-1,)), groups], axis=1)
        by_group = ops.transpose(ops.reshape(self.kernel, (kept, self.groups, size)), (1, 0, 2))
        values = ops.reshape(by_group, (-1, size))
        kernel = ops.scatter(places, values, (inputs.shape[-1], self.groups, size))
        kernel = ops.reshape(kernel, (1, 1, inputs.shape[-1], self.filters))
        return ops.conv(inputs, kernel, data_format="channels_last")

    def _gather_channels(self, inputs):
        x = ops.take(inputs, ops.reshape(self.indices, (-1,)), axis=-1)
        return ops.conv(x, self.kernel, data_format="channels_last")

    def count_macs(self, input_shape, output_shape):
        """Multiply-accumulates per example of the group convolution."""
        return math.prod(output_shape[1:]) * input_shape[-1] // self.condensation


def _on_tensorflow_cpu() -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU")
