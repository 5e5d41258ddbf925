"""Zero channels behind those that are there."""

from __future__ import annotations

import keras
from keras import ops

from kerasref.layers.arguments import check_positive_integer


@keras.saving.register_keras_serializable(package="kerasref")
class PadChannels(keras.layers.Layer):
    """Appends channels of zeros until there are `channels`.

    Input shape: `(..., c)` with c up to `channels`.
    Output shape: `(..., channels)`.

    Args:
        channels: number of channels of the output.

    Raises:
        ValueError: `channels` is no positive integer, or the input has more channels.

    Source: He et al. 2016a, section 3.3, option A; dlnotes 1.4, ledger M1.4-5 and M1.4-6.
    """

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = check_positive_integer("channels", channels)

    def build(self, input_shape):
        if input_shape[-1] > self.channels:
            raise ValueError(f"`channels` is {self.channels}, the input has {input_shape[-1]}")

    def call(self, inputs):
        missing = self.channels - inputs.shape[-1]
        return ops.pad(inputs, [(0, 0)] * (len(inputs.shape) - 1) + [(0, missing)])

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.channels)

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
