"""Index layer: channels in an order of one's own; and the group convolution that follows it."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from kerasref.layers.arguments import check_positive_integer


@keras.saving.register_keras_serializable(package="kerasref")
class IndexChannels(keras.layers.Layer):
    """Gathers channels in a given order; a channel may come several times or not at all.

    On the CPU this costs as much as the 1x1 convolution behind it, because it moves every map;
    `IndexedGroupConv2D` computes both without moving any.

    Input shape: `(..., channels)`.
    Output shape: `(..., len(indices))`.

    Args:
        indices: of the channels, counted from 0. They are kept as a weight, `indices`, int32 and
            not trainable, so that files of weights hold them.

    Raises:
        ValueError: no index, or one that the input does not have.

    Source: Huang et al. 2018, section 3.1 (figure 3); dlnotes 2.6, ledger M2.6b.
    """

    def __init__(self, indices, **kwargs):
        super().__init__(**kwargs)
        self._given = [int(index) for index in indices]
        if not self._given or min(self._given) < 0:
            raise ValueError(f"`indices` must be numbers of at least 0, not {indices!r}")

    def build(self, input_shape):
        if max(self._given) >= input_shape[-1]:
            raise ValueError(
                f"`indices` go up to {max(self._given)}, the input has {input_shape[-1]} channels"
            )
        self.indices = _index_weight(self, self._given)

    def call(self, inputs):
        return ops.take(inputs, self.indices, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self._given))

    def count_macs(self, input_shape, output_shape):
        """None: nothing is multiplied."""
        return 0

    def get_config(self):
        return {**super().get_config(), "indices": self._given}


@keras.saving.register_keras_serializable(package="kerasref")
class IndexedGroupConv2D(keras.layers.Layer):
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

    def __init__(
        self,
        filters,
        groups=4,
        condensation=4,
        use_bias=False,
        kernel_initializer="he_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = check_positive_integer("filters", filters)
        self.groups = check_positive_integer("groups", groups)
        self.condensation = check_positive_integer("condensation", condensation)
        if filters % groups:
            raise ValueError(
                f"`filters` must be a multiple of `groups`, not {filters} for {groups} groups"
            )
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        self._channels = input_shape[-1]
        kept, rest = divmod(self._channels, self.condensation)
        if rest:
            raise ValueError(
                f"`condensation` must divide the input channels, {self.condensation} does not "
                f"divide {self._channels}"
            )
        self.kernel = self.add_weight(
            (1, 1, kept, self.filters), self.kernel_initializer, name="kernel"
        )
        order = np.arange(self.groups * kept).reshape(self.groups, kept) % self._channels
        self.indices = _index_weight(self, order)
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, inputs):
        convolve = self._scatter_weights if _on_tensorflow_cpu() else self._gather_channels
        outputs = convolve(inputs)
        return outputs + self.bias if self.use_bias else outputs

    def _scatter_weights(self, inputs):
        kept, size = self.kernel.shape[2], self.filters // self.groups
        groups = np.repeat(np.arange(self.groups, dtype="int32"), kept)
        places = ops.stack([ops.reshape(self.indices, (-1,)), groups], axis=1)
        by_group = ops.transpose(ops.reshape(self.kernel, (kept, self.groups, size)), (1, 0, 2))
        values = ops.reshape(by_group, (-1, size))
        kernel = ops.scatter(places, values, (self._channels, self.groups, size))
        kernel = ops.reshape(kernel, (1, 1, self._channels, self.filters))
        return ops.conv(inputs, kernel, data_format="channels_last")

    def _gather_channels(self, inputs):
        x = ops.take(inputs, ops.reshape(self.indices, (-1,)), axis=-1)
        return ops.conv(x, self.kernel, data_format="channels_last")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def count_macs(self, input_shape, output_shape):
        """Multiply-accumulates per example of the group convolution."""
        return math.prod(output_shape[1:]) * input_shape[-1] // self.condensation

    def get_config(self):
        own = {
            "filters": self.filters,
            "groups": self.groups,
            "condensation": self.condensation,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
        return {**super().get_config(), **own}


def _index_weight(layer, values):
    values = np.asarray(values, "int32")
    return layer.add_weight(
        values.shape,
        lambda shape, dtype=None: ops.convert_to_tensor(values, dtype),
        dtype="int32",
        trainable=False,
        autocast=False,
        name="indices",
    )


def _on_tensorflow_cpu() -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU")
