"""The first channels and the rest."""

from __future__ import annotations

import keras

from kerasref.layers.arguments import check_positive_integer


@keras.saving.register_keras_serializable(package="kerasref")
class ChannelSplit(keras.layers.Layer):
    """Cuts maps into their first `channels` channels and the others.

    Input shape: `(..., c)` with c above `channels`.
    Output shape: a list of `(..., channels)` and `(..., c - channels)`.

    Args:
        channels: number of channels of the first part.

    Raises:
        ValueError: `channels` is no positive integer, or leaves nothing for the second part.

    Source: Ma et al. 2018 (ShuffleNet v2), section 3.1; dlnotes 2.5.3, ledger M2.5f.
    """

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = check_positive_integer("channels", channels)

    def build(self, input_shape):
        if input_shape[-1] <= self.channels:
            raise ValueError(
                f"`channels` must be below the {input_shape[-1]} of the input, not {self.channels}"
            )

    def call(self, inputs):
        return [inputs[..., : self.channels], inputs[..., self.channels :]]

    def compute_output_shape(self, input_shape):
        *places, channels = input_shape
        return [(*places, self.channels), (*places, channels - self.channels)]

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
