"""LeNet's trainable sub-sampling."""

from __future__ import annotations

import math

import keras
from keras import ops

from kerasref.layers.arguments import check_positive_integer


@keras.saving.register_keras_serializable(package="kerasref")
class TrainableSubsampling(keras.layers.Layer):
    """Sum of each window, times one coefficient, plus one bias per map.

    Starts as average pooling. Windows do not overlap; what does not fill a window is dropped.

    Input shape: `(batch, height, width, maps)`.
    Output shape: `(batch, height // pool_size, width // pool_size, maps)`.

    Args:
        pool_size: side of the window.

    Raises:
        ValueError: `pool_size` is not a positive integer.

    Source: LeCun et al. 1998, section II.B (layers S2 and S4); dlnotes 1.1, ledger X1.1-1. The
    book adds three inputs (E1.1-1); the window has four.
    """

    def __init__(self, pool_size=2, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = check_positive_integer("pool_size", pool_size)

    def build(self, input_shape):
        maps = input_shape[-1]
        average = keras.initializers.Constant(1 / self.pool_size**2)
        self.coefficient = self.add_weight(shape=(maps,), initializer=average, name="coefficient")
        self.bias = self.add_weight(shape=(maps,), initializer="zeros", name="bias")

    def call(self, inputs):
        size = self.pool_size
        mean = ops.average_pool(inputs, size, size, "valid", data_format="channels_last")
        return mean * (self.coefficient * size**2) + self.bias

    def compute_output_shape(self, input_shape):
        batch, height, width, maps = input_shape
        sides = (side if side is None else side // self.pool_size for side in (height, width))
        return (batch, *sides, maps)

    def count_macs(self, input_shape, output_shape):
        """None: an element-wise scale, left out like batch normalisation's."""
        return 0

    def count_connections(self, input_shape, output_shape):
        """Window and bias of every output unit, as the paper counts."""
        return math.prod(output_shape[1:]) * (self.pool_size**2 + 1)

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size}
