"""Dense layer of Maxout units."""

from __future__ import annotations

import math

import keras
from keras import ops

from kerasref.layers.arguments import check_positive_integer


@keras.saving.register_keras_serializable(package="kerasref")
class Maxout(keras.layers.Layer):
    """`h[i] = max over j of (x . W[:, i, j] + b[i, j])`: each unit is the largest of its pieces.

    Input shape: `(..., d)`.
    Output shape: `(..., m)`.

    Weights: `kernel` of shape `(d, m, k)`, drawn as the matrix `(d, m * k)` of all affine maps, and
    `bias` of shape `(m, k)`.

    Args:
        units: number m of outputs.
        pieces: number k of affine maps of which each output is the maximum.
        kernel_initializer: of the matrix of all affine maps.
        bias_initializer: of the biases.

    Raises:
        ValueError: `units` or `pieces` is not a positive integer.

    Source: Goodfellow et al. 2013, section 3; dlnotes 1.3, ledger M1.3-1, Q1.7.
    """

    def __init__(
        self,
        units,
        pieces,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = check_positive_integer("units", units)
        self.pieces = check_positive_integer("pieces", pieces)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        inputs = input_shape[-1]

        def draw(shape, dtype=None):
            flat = self.kernel_initializer((inputs, self.units * self.pieces), dtype=dtype)
            return ops.reshape(flat, shape)

        shape = (self.units, self.pieces)
        self.kernel = self.add_weight(shape=(inputs, *shape), initializer=draw, name="kernel")
        self.bias = self.add_weight(shape=shape, initializer=self.bias_initializer, name="bias")

    def call(self, inputs):
        flat = ops.reshape(self.kernel, (-1, self.units * self.pieces))
        maps = ops.matmul(inputs, flat)
        maps = ops.reshape(maps, (*ops.shape(inputs)[:-1], self.units, self.pieces))
        return ops.max(maps + self.bias, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def count_macs(self, input_shape, output_shape):
        """All affine maps; the maximum has none."""
        return math.prod(output_shape[1:]) * self.pieces * input_shape[-1]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "pieces": self.pieces,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
