"""Magnitude pruning: the smallest weights become zero and stay zero while the others train.

Han, Pool, Tran, Dally: Learning both weights and connections for efficient neural networks, 2015;
Han, Mao, Dally: Deep compression, 2016, section 2.
"""

from __future__ import annotations

import contextlib
import fnmatch
import math
from collections.abc import Iterator, Mapping

import keras
import numpy as np
from keras import ops


def kernels(model: keras.Model) -> dict[str, keras.Variable]:
    """The weights that compression is about, by path: trainable kernels, no biases.

    A path is that of the variable, such as `fire2_squeeze/kernel`.
    """
    return {
        weight.path: weight
        for weight in model.trainable_variables
        if weight.path.endswith("kernel") and len(weight.shape) > 1
    }


def magnitude_mask(weights: np.ndarray, density: float) -> np.ndarray:
    """Where `weights` are among the largest in magnitude: a bool array of their shape.

    Exactly `ceil(density * weights.size)` weights are kept; of equal ones the first.

    Args:
        weights: an array of any shape.
        density: share to keep, above 0 and at most 1.

    Raises:
        ValueError: a density out of its range.
    """
    order = np.argsort(-np.abs(weights), axis=None, kind="stable")
    mask = np.zeros(weights.size, bool)
    mask[order[: kept(weights.size, density)]] = True
    return mask.reshape(weights.shape)


def kept(size: int, density: float) -> int:
    """How many of `size` weights a density keeps: their product, rounded up.

    Raises:
        ValueError: a density out of its range.
    """
    _check_share("`density`", density)
    return math.ceil(round(density * size, 6))  # 0.07 * 100 is 7.000000000000001


def densities(model: keras.Model, density: float | Mapping[str, float]) -> dict[str, float]:
    """The share to keep of each kernel, by path.

    Args:
        model: whose kernels are meant.
        density: one number for all, or shares by patterns of layer names (`"*_expand3"`); the
            first pattern that matches counts, and layers that none matches are kept whole.

    Raises:
        ValueError: a share out of its range, or a pattern that matches no layer with a kernel.
    """
    rules = density if isinstance(density, Mapping) else {"*": density}
    layers = {path: path.split("/")[-2] for path in kernels(model)}
    for pattern, share in rules.items():
        _check_share(f"`density` of {pattern!r}", share)
        if not fnmatch.filter(layers.values(), pattern):
            raise ValueError(f"`density`: {model.name} has no kernel in a layer like {pattern!r}")
    return {
        path: next((s for p, s in rules.items() if fnmatch.fnmatchcase(layer, p)), 1.0)
        for path, layer in layers.items()
    }


def prune(model: keras.Model, density: float | Mapping[str, float]) -> dict[str, np.ndarray]:
    """Set the smallest weights of each kernel to zero.

    Args:
        model: changed in place.
        density: as in `densities`.

    Returns:
        The mask of each kernel by path, True where a weight is kept.

    Raises:
        ValueError: as `densities`.
    """
    masks = {}
    shares = densities(model, density)
    for path, kernel in kernels(model).items():
        values = ops.convert_to_numpy(kernel)
        masks[path] = magnitude_mask(values, shares[path])
        kernel.assign(np.where(masks[path], values, 0))
    return masks


@contextlib.contextmanager
def masked(model: keras.Model, masks: Mapping[str, np.ndarray]) -> Iterator[None]:
    """Within it, every step of an optimizer leaves pruned weights at zero.

    The masks are constraints of the variables, which optimizers apply after each update, after
    the constraint that a kernel may have of its own. They belong to no layer's configuration, so
    that a saved model does not know them.

    Args:
        model: pruned.
        masks: by path, as from `prune`.
    """
    before = {path: kernel.constraint for path, kernel in kernels(model).items()}
    for path, kernel in kernels(model).items():
        kernel.constraint = KeepMask(masks[path], before[path])
    try:
        yield
    finally:
        for path, kernel in kernels(model).items():
            kernel.constraint = before[path]


class KeepMask(keras.constraints.Constraint):
    """Zero where `mask` is False, after the constraint `inner`, if there is one."""

    def __init__(self, mask: np.ndarray, inner: keras.constraints.Constraint | None = None):
        self.mask, self.inner = mask, inner

    def __call__(self, w):
        w = ops.convert_to_tensor(w if self.inner is None else self.inner(w))
        return ops.where(self.mask, w, ops.zeros_like(w))


def _check_share(argument, value):
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError(f"{argument} must be above 0 and at most 1, not {value!r}")
