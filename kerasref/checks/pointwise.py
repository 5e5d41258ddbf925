"""1x1 convolutions, the perceptron per window and global average pooling (dlnotes 1.3, D2L 7.3)."""

from __future__ import annotations

import keras
import numpy as np

from kerasref.models import NiNSmall


def dense_per_pixel(channels: int = 6, filters: int = 4, size: int = 7) -> dict[str, float]:
    """A 1x1 convolution against a dense layer on the channels, and what one input number touches.

    Ledger A1.3-6, D2L-A15.

    Returns:
        `error`, largest difference between the two layers with the same weights; `positions_kept`,
        1 if height and width stay; `channels_out`; `positions_touched`, output positions that
        change with one input number; `channels_mixed`, the share of (input, output) channels of
        which the second changes with the first.
    """
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(1, size, size, channels)).astype("float32")
    convolution, dense = keras.layers.Conv2D(filters, 1), keras.layers.Dense(filters)
    before = np.asarray(convolution(x))
    dense.build(x.shape)
    kernel, bias = convolution.get_weights()
    dense.set_weights([kernel[0, 0], bias])
    touched, mixed = set(), 0
    for channel in range(channels):
        disturbed = x.copy()
        disturbed[0, 2, 3, channel] += 1.0
        change = np.asarray(convolution(disturbed))[0] != before[0]
        touched |= {tuple(place[:2]) for place in np.argwhere(change)}
        mixed += np.count_nonzero(change[2, 3])
    return {
        "error": np.abs(np.asarray(dense(x)) - before).max(),
        "positions_kept": float(before.shape[1:3] == x.shape[1:3]),
        "channels_out": before.shape[-1],
        "positions_touched": len(touched),
        "channels_mixed": mixed / (channels * filters),
    }


def perceptron_per_window(kernel: int = 5, size: int = 12) -> dict[str, float]:
    """A NIN block against a perceptron that is applied to every window of the image by itself.

    Ledger M1.3-2, A1.3-4, D2L-C7.

    Returns:
        `windows`; `error`, largest difference between the two.
    """
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(1, size, size, 3)).astype("float32")
    layers = [
        keras.layers.Conv2D(units, side, activation="relu", bias_initializer="random_normal")
        for units, side in ((8, kernel), (6, 1), (5, 1))
    ]
    block = x
    for layer in layers:
        block = layer(block)
    windows = np.lib.stride_tricks.sliding_window_view(x[0], (kernel, kernel), axis=(0, 1))
    inputs = windows.transpose(0, 1, 3, 4, 2).reshape(-1, kernel * kernel * 3)
    for layer in layers:
        weights, bias = layer.get_weights()
        inputs = np.maximum(inputs @ weights.reshape(-1, layer.filters) + bias, 0)
    maps = np.asarray(block)[0]
    return {"windows": len(inputs), "error": np.abs(inputs.reshape(maps.shape) - maps).max()}


def global_average() -> dict[str, float]:
    """Global average pooling: its parameters, its value, and the image sizes it takes.

    Ledger D2L-C26, A1.3-7.

    Returns:
        `params`; `error`, largest difference from the mean over positions; `sizes`, how many of
        three image sizes one and the same NiN classifies; `sizes_with_dense_head`, how many of
        these give a dense head of as many weights.
    """
    keras.utils.set_random_seed(0)
    layer = keras.layers.GlobalAveragePooling2D()
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 4)).astype("float32")
    sizes = [28, 48, 96]
    average, dense = (
        [NiNSmall(head=head, input_shape=(size, size, 1)) for size in sizes]
        for head in ("gap", "fc")
    )
    return {
        "error": np.abs(np.asarray(layer(x)) - x.mean(axis=(1, 2))).max(),
        "params": layer.count_params(),
        "sizes": sum(m.count_params() == average[0].count_params() for m in average),
        "sizes_with_dense_head": sum(m.count_params() == dense[0].count_params() for m in dense),
    }
