"""Index layer: channels in an order of one's own."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops


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
        self.indices = index_weight(self, self._given)

    def call(self, inputs):
        return ops.take(inputs, self.indices, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self._given))

    def count_macs(self, input_shape, output_shape):
        """None: nothing is multiplied."""
        return 0

    def get_config(self):
        return {**super().get_config(), "indices": self._given}


def index_weight(layer, values):
    """A weight `indices` of `layer` that holds `values`, int32 and not trainable."""
    values = np.asarray(values, "int32")
    return layer.add_weight(
        values.shape,
        lambda shape, dtype=None: ops.convert_to_tensor(values, dtype),
        dtype="int32",
        trainable=False,
        autocast=False,
        name="indices",
    )
