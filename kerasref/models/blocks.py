"""Steps that convolutional families share: convolution, normalisation with activation, pooling."""

from __future__ import annotations

from typing import Any

import keras

from kerasref.layers import GroupedConv2D, normalization


def conv(
    x: Any,
    filters: int,
    kernel: int | tuple[int, int],
    name: str,
    *,
    strides: int = 1,
    padding: str = "same",
    groups: int = 1,
    use_bias: bool = False,
    activation: Any = None,
    kernel_initializer: Any = "he_normal",
) -> Any:
    """Convolution `name`.

    With `padding="same"` and a stride, the padding is `(kernel - 1) // 2` on each side, as in most
    papers' frameworks; Keras's own, that of TensorFlow, pads more at the bottom and on the right.

    Args:
        x: maps `(batch, height, width, channels)`.
        filters: number of output channels.
        kernel: height and width of the window.
        name: of the layer; its padding is `<name>_pad`.
        strides: of the window, both ways.
        padding: `"same"`, `"valid"`, or `"keras"` for Keras's own "same".
        groups: of channels that are convolved separately.
        use_bias: whether to add a bias.
        activation: of the output.
        kernel_initializer: of the kernel.

    Returns:
        Maps `(batch, new_height, new_width, filters)`.
    """
    x, padding = _padded(x, kernel, strides, padding, name)
    layer = GroupedConv2D if groups > 1 else keras.layers.Conv2D
    return layer(
        filters,
        kernel,
        strides=strides,
        padding=padding,
        groups=groups,
        use_bias=use_bias,
        activation=activation,
        kernel_initializer=kernel_initializer,
        name=name,
    )(x)


def depthwise(
    x: Any,
    kernel: int | tuple[int, int],
    name: str,
    *,
    strides: int = 1,
    padding: str = "same",
    use_bias: bool = False,
    activation: Any = None,
    kernel_initializer: Any = None,
) -> Any:
    """Depthwise convolution `name`: each channel is convolved with a window of its own.

    Args:
        x: maps `(batch, height, width, channels)`.
        kernel: height and width of the window.
        name: of the layer; its padding is `<name>_pad`.
        strides: of the window, both ways.
        padding: as in `conv`.
        use_bias: whether to add a bias.
        activation: of the output.
        kernel_initializer: of the kernel; None for He-normal by the window alone, of which an
            output is the sum. Keras's `"he_normal"` divides by the channels too.

    Returns:
        Maps `(batch, new_height, new_width, channels)`.
    """
    if kernel_initializer is None:
        kernel_initializer = depthwise_initializer(kernel)
    x, padding = _padded(x, kernel, strides, padding, name)
    return keras.layers.DepthwiseConv2D(
        kernel,
        strides=strides,
        padding=padding,
        use_bias=use_bias,
        activation=activation,
        depthwise_initializer=kernel_initializer,
        name=name,
    )(x)


def depthwise_initializer(kernel: int | tuple[int, int]) -> keras.initializers.Initializer:
    """He-normal by the window of a depthwise convolution alone; see `depthwise`."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return keras.initializers.RandomNormal(stddev=(2 / (height * width)) ** 0.5)


def norm_act(x: Any, name: str, *, norm: str | None = "batch", activation: Any = "relu") -> Any:
    """Normalisation `<name>_bn`, then activation `<name>_act`; None leaves one out."""
    x = normalization(norm, f"{name}_bn")(x)
    if activation is None:
        return x
    return keras.layers.Activation(activation, name=f"{name}_act")(x)


def max_pool(x: Any, size: int, strides: int, name: str, padding: str = "same") -> Any:
    """Max pooling `name`.

    `padding="same"` pads `(size - 1) // 2` zeros on each side, which after a ReLU is as good as
    padding with nothing.
    """
    if padding == "same":
        x = _pad(x, size, f"{name}_pad")
    return keras.layers.MaxPooling2D(size, strides, name=name)(x)


def average_pool(x: Any, size: int, strides: int, name: str) -> Any:
    """Average pooling `name`, behind `(size - 1) // 2` zeros on each side that count."""
    x = _pad(x, size, f"{name}_pad")
    return keras.layers.AveragePooling2D(size, strides, name=name)(x)


def _padded(x: Any, kernel: int | tuple[int, int], strides: int, padding: str, name: str) -> tuple:
    """What a convolution sees, and the padding that is left to the layer."""
    if padding == "same" and strides > 1:
        return _pad(x, kernel, f"{name}_pad"), "valid"
    return x, "same" if padding == "keras" else padding


def _pad(x: Any, window: int | tuple[int, int], name: str) -> Any:
    height, width = (window, window) if isinstance(window, int) else window
    margins = (height - 1) // 2, (width - 1) // 2
    return keras.layers.ZeroPadding2D(margins, name=name)(x) if any(margins) else x
