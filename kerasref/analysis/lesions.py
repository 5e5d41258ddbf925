"""Lesions: a trained network without one of its residual units or layers, or with two swapped.

The network stays as it is; its weights are changed for a while. A residual unit whose residual is
0 is its shortcut; a 3x3 convolution that copies its input, with a normalisation that undoes
itself, is as good as not there.

Veit, Wilber, Belongie: Residual networks behave like ensembles of relatively shallow networks,
2016, section 4; dlnotes 1.4, ledger A1.4-11.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np

Lesion = Callable[[], contextlib.AbstractContextManager]


def parts(model: keras.Model) -> dict[str, list[keras.Layer]]:
    """What can be taken out, in order: name -> its layers with weights.

    Residual units of `kerasref.models` (`conv2_block1` ...), or where there is no addition, single
    convolutions `conv2_block1_1` with their normalisation that keep size and channels.
    """
    units: dict[str, list[keras.Layer]] = {}
    residual = any(layer.name.endswith("_add") for layer in model.layers)
    pattern = r"(conv\d+_block\d+)_" if residual else r"(conv\d+_block\d+_\d+)_"
    for layer in model.layers:
        found = re.match(pattern, layer.name)
        if found and layer.weights:
            units.setdefault(found[1], []).append(layer)
    if residual:
        return units
    return {name: layers for name, layers in units.items() if _keeps_shape(layers[0])}


@contextlib.contextmanager
def without(model: keras.Model, names: Sequence[str]) -> Iterator[None]:
    """`model` without the parts `names` while the context lasts.

    Of a residual unit that changes the number of channels, the shortcut remains.

    Raises:
        ValueError: a part that the model does not have.
    """
    found = parts(model)
    layers = [layer for name in names for layer in _known(found, name)]
    with _restored(layers):
        for name in names:
            if f"{name}_add" in {layer.name for layer in model.layers}:
                _silence(found[name])
            else:
                for layer in found[name]:
                    _make_identity(layer)
        yield


@contextlib.contextmanager
def swapped(model: keras.Model, first: str, second: str) -> Iterator[None]:
    """`model` with the weights of two parts exchanged while the context lasts.

    Raises:
        ValueError: a part that the model does not have, or two of other shapes.
    """
    found = parts(model)
    one, two = _known(found, first), _known(found, second)
    if _shapes(one) != _shapes(two):
        raise ValueError(f"{first!r} and {second!r} have weights of different shapes")
    with _restored([*one, *two]):
        for left, right in zip(one, two, strict=True):
            weights = left.get_weights()
            left.set_weights(right.get_weights())
            right.set_weights(weights)
        yield


def exchangeable(model: keras.Model) -> list[tuple[str, str]]:
    """Pairs of parts whose weights have the same shapes, in order."""
    found = list(parts(model).items())
    return [
        (first, second)
        for place, (first, one) in enumerate(found)
        for second, two in found[place + 1 :]
        if _shapes(one) == _shapes(two)
    ]


def copying_kernel(size: int, channels: int) -> np.ndarray:
    """Kernel `(size, size, channels, channels)` of the convolution that copies its input."""
    kernel = np.zeros((size, size, channels, channels), "float32")
    kernel[size // 2, size // 2] = np.eye(channels)
    return kernel


def _known(found, name):
    if name not in found:
        raise ValueError(f"no part {name!r}; known: {', '.join(found)}")
    return found[name]


def _keeps_shape(layer):
    return layer.strides == (1, 1) and layer.kernel.shape[2] == layer.kernel.shape[3]


def _shapes(layers):
    return [tuple(weight.shape) for layer in layers for weight in layer.weights]


@contextlib.contextmanager
def _restored(layers):
    kept = [(layer, layer.get_weights()) for layer in layers]
    try:
        yield
    finally:
        for layer, weights in kept:
            layer.set_weights(weights)


def _silence(layers):
    """Make a unit's residual 0: scale and offset of what it ends in."""
    *_, last = (layer for layer in layers if re.search(r"_[123]_(conv|bn)$", layer.name))
    for weight in last.trainable_weights:
        weight.assign(np.zeros(weight.shape))


def _make_identity(layer):
    if isinstance(layer, keras.layers.BatchNormalization):
        deviation = np.sqrt(keras.ops.convert_to_numpy(layer.moving_variance) + layer.epsilon)
        layer.gamma.assign(deviation)
        layer.beta.assign(layer.moving_mean)
        return
    layer.kernel.assign(copying_kernel(layer.kernel.shape[0], layer.kernel.shape[-1]))
    if layer.use_bias:
        layer.bias.assign(np.zeros(layer.bias.shape))
