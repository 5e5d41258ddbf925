"""How far stacks of small kernels see, three ways (dlnotes 1.2)."""

from __future__ import annotations

import keras
import numpy as np

from kerasref import models
from kerasref.analysis.receptive_field import receptive_field
from kerasref.analysis.weightless import weightless
from kerasref.harness.gradients import derivative


def stack(kernel: int, layers: int, channels: int = 256) -> dict[str, float]:
    """A stack of `layers` convolutions of `kernel` x `kernel`, `channels` maps in and out.

    Ledger A1.2-6.

    Returns:
        `recursion`, the receptive field by forward recursion on the graph; `backward`, by the
        book's formula from the last layer back; `measured`, side of the pixels on which the middle
        output pixel of a stack with random weights depends; `params`; `non_linearities`.
    """
    wide = _stack(kernel, layers, channels)
    return {
        "recursion": receptive_field(wide, wide.layers[-1].name).size,
        "backward": _backward([(kernel, 1)] * layers),
        "measured": _measured(_stack(kernel, layers, channels=2)),
        "params": wide.count_params(),
        "non_linearities": sum(hasattr(layer, "activation") for layer in wide.layers),
    }


def of_builder(builder: str, layer: str) -> dict[str, float]:
    """What a pixel of a builder's `layer` sees, for networks that are one chain of layers.

    Ledger A1.2-3.

    Returns:
        `size` and `jump` by forward recursion on the graph; `backward`, by the book's formula.
    """
    model = weightless(getattr(models, builder))
    field = receptive_field(model, layer)
    names = [inner.name for inner in model.layers]
    windows = []
    for inner in model.layers[: names.index(layer) + 1]:
        if isinstance(inner, keras.layers.Conv2D):
            windows.append((inner.kernel_size[0], inner.strides[0]))
        elif isinstance(inner, keras.layers.MaxPooling2D):
            windows.append((inner.pool_size[0], inner.strides[0]))
    return {"size": field.size, "jump": field.jump, "backward": _backward(windows)}


def _backward(windows: list[tuple[int, int]]) -> int:
    """`rf = (rf - 1) * stride + kernel`, from one output pixel to the image."""
    size = 1
    for kernel, stride in reversed(windows):
        size = (size - 1) * stride + kernel
    return size


def _stack(kernel: int, layers: int, channels: int) -> keras.Model:
    image = keras.Input((None, None, channels))
    x = image
    for _ in range(layers):
        x = keras.layers.Conv2D(channels, kernel, padding="same", activation="softplus")(x)
    return keras.Model(image, x)


def _measured(model: keras.Model, side: int = 31) -> int:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(1, side, side, model.input_shape[-1]))
    gradient = derivative(lambda image: model(image)[:, side // 2, side // 2], x.astype("float32"))
    rows = np.flatnonzero(np.abs(gradient).sum(axis=(0, 2, 3)))
    return int(rows[-1] - rows[0] + 1)
