"""Convolution with a connection table."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

# Input maps (S2) of each of the 16 output maps: LeCun et al. 1998, table I; dlnotes figure 1.2.
LENET5_C3 = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)


@keras.saving.register_keras_serializable(package="kerasref")
class SparseConv2D(keras.layers.Layer):
    """2-D convolution in which each output map sees only the input maps listed for it.

    Holds the kernels of existing connections and nothing else: the weight `kernel` has shape
    `(kernel_size, kernel_size, connections)`, in the order of the table.

    Input shape: `(batch, height, width, maps)`.
    Output shape: `(batch, new_height, new_width, len(connections))`.

    Args:
        connections: for each output map, the numbers of its input maps, counted from 0.
        kernel_size: side of the kernels.
        padding: `"valid"` or `"same"`.
        activation: of the output.
        kernel_initializer: applied to the dense kernel, of which the connected part is kept.

    Raises:
        ValueError: an output map without inputs or with one twice; an input map that the layer's
            input lacks.

    Source: LeCun et al. 1998, section II.B (layer C3, table `LENET5_C3`); dlnotes 1.1, X1.1-1.
    """

    def __init__(
        self,
        connections,
        kernel_size,
        padding="valid",
        activation=None,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.connections = tuple(tuple(inputs) for inputs in connections)
        for number, inputs in enumerate(self.connections):
            if not inputs or len(set(inputs)) < len(inputs) or min(inputs) < 0:
                raise ValueError(
                    f"`connections` of output map {number} must be distinct input maps, "
                    f"not {inputs!r}"
                )
        self.kernel_size = kernel_size
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        self.maps = input_shape[-1]
        last = max(map(max, self.connections))
        if last >= self.maps:
            raise ValueError(
                f"`connections` name input map {last}, but the input has maps 0 to {self.maps - 1}"
            )
        size, filters = self.kernel_size, len(self.connections)
        pairs = [(source, to) for to, inputs in enumerate(self.connections) for source in inputs]
        # Row c has its 1 where connection c sits in the flattened (maps, filters) kernel.
        self._places = np.zeros((len(pairs), self.maps * filters), "float32")
        for row, (source, to) in enumerate(pairs):
            self._places[row, source * filters + to] = 1

        def connected(shape, dtype=None):
            dense = self.kernel_initializer((size, size, self.maps, filters), dtype=dtype)
            dense = ops.reshape(dense, (size, size, -1))
            return ops.matmul(dense, ops.cast(self._places.T, dense.dtype))

        shape = (size, size, len(pairs))
        self.kernel = self.add_weight(shape=shape, initializer=connected, name="kernel")
        self.bias = self.add_weight(shape=(filters,), initializer="zeros", name="bias")

    def call(self, inputs):
        kernel = ops.matmul(self.kernel, ops.cast(self._places, self.compute_dtype))
        kernel = ops.reshape(kernel, (*kernel.shape[:2], self.maps, len(self.connections)))
        outputs = ops.conv(inputs, kernel, padding=self.padding, data_format="channels_last")
        return self.activation(outputs + self.bias)

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        if self.padding == "valid":
            sides = (side if side is None else side - self.kernel_size + 1 for side in sides)
        return (batch, *sides, len(self.connections))

    def count_macs(self, input_shape, output_shape):
        """Multiply-accumulates per example."""
        return math.prod(output_shape[1:3]) * math.prod(self.kernel.shape)

    def get_config(self):
        own = {
            "connections": self.connections,
            "kernel_size": self.kernel_size,
            "padding": self.padding,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
        return {**super().get_config(), **own}
