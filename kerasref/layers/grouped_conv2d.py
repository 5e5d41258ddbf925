"""Grouped 2-D convolution that also trains fast on CPUs."""

from __future__ import annotations

import functools
import threading

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasref")
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D(groups=g)`: same arguments, weights and numbers.

    On the TensorFlow backend Keras compiles each grouped convolution with XLA, and one training
    step of it is tens to hundreds of times slower on a CPU than TensorFlow's grouped kernel. This
    layer uses that kernel where its gradient exists, and separate convolutions, of one or a few
    groups each, where it does not: float16 and float64 on any CPU, and float32 where oneDNN is off,
    as TensorFlow leaves it on CPUs without AVX-512 or AMX. (Turning it on there is faster for this
    layer, but in TensorFlow 2.21 its AVX2 code writes outside its memory when small residual
    networks are trained.) On other backends it is Keras's layer.

    Input shape: `(batch, height, width, channels)`; `channels` a multiple of `groups`.
    Output shape: `(batch, new_height, new_width, filters)`; `filters` a multiple of `groups`.
    `data_format="channels_first"` works on every device, by transposition.

    Source: Krizhevsky et al. 2012, section 3.5 (two groups); dlnotes 1.1, ledger A1.1-11.
    """

    def convolution_op(self, inputs, kernel):
        if self.groups == 1 or keras.backend.backend() != "tensorflow":
            return super().convolution_op(inputs, kernel)
        if self.data_format == "channels_last":
            return self._grouped(inputs, kernel)
        outputs = self._grouped(ops.transpose(inputs, (0, 2, 3, 1)), kernel)
        return ops.transpose(outputs, (0, 3, 1, 2))

    def _grouped(self, inputs, kernel):
        import tensorflow as tf

        kernel = ops.convert_to_tensor(kernel)
        if _kernel_has_gradient(inputs.dtype.name):
            padding = self.padding.upper()
            return tf.nn.conv2d(inputs, kernel, self.strides, padding, dilations=self.dilation_rate)
        together = _groups_together(self.groups, kernel.shape[2])
        kernel = _block_diagonal(kernel, self.groups, together)
        parts = zip(
            ops.split(inputs, self.groups // together, axis=-1),
            ops.split(kernel, self.groups // together, axis=-1),
            strict=True,
        )
        settings = (list(self.strides), self.padding, "channels_last", self.dilation_rate)
        return ops.concatenate([ops.conv(x, k, *settings) for x, k in parts], axis=-1)


def _groups_together(groups: int, channels: int) -> int:
    """How many groups of `channels` channels one convolution takes: 16 channels at the most.

    Narrower convolutions cost more than the products by zero that wider ones make.
    """
    return next(n for n in range(max(1, 16 // channels), 0, -1) if not groups % n)


def _block_diagonal(kernel, groups: int, together: int):
    """The kernel of `groups / together` groups that computes the same, by zeros in between."""
    if together == 1:
        return kernel
    height, width, channels, filters = kernel.shape
    shape = (height, width, 1, channels, groups // together, together, filters // groups)
    own = ops.reshape(ops.eye(together, dtype=kernel.dtype), (together, 1, 1, together, 1))
    blocks = ops.reshape(kernel, shape) * own
    return ops.reshape(blocks, (height, width, together * channels, filters))


@functools.cache
def _kernel_has_gradient(dtype: str) -> bool:
    """Whether TensorFlow differentiates its grouped kernel on the default device: tried once."""
    import tensorflow as tf

    found = []

    def probe():
        x, kernel = tf.ones((1, 2, 2, 4), dtype), tf.ones((1, 1, 2, 4), dtype)
        try:
            with tf.GradientTape() as tape:
                tape.watch((x, kernel))
                y = tf.nn.conv2d(x, kernel, strides=1, padding="SAME")
            tape.gradient(y, (x, kernel))
        except tf.errors.OpError:
            return
        found.append(True)

    # A new thread is always eager, also when the layer is first called inside a graph.
    thread = threading.Thread(target=probe)
    thread.start()
    thread.join()
    return bool(found)
