"""The normalisation that a builder's `norm` argument names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kerasref.layers.arguments import check_choice
from kerasref.layers.local_response_normalization import LocalResponseNormalization

# Momentum 0.9 and epsilon 1e-5 are those of the papers' code (Torch: momentum 0.1 of the new
# value); Keras's defaults are 0.99 and 1e-3.
_KINDS: dict[str, Callable[[str], keras.layers.Layer]] = {
    "batch": lambda name: keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name),
    "lrn": lambda name: LocalResponseNormalization(name=name),
}


def normalization(kind: str | None, name: str) -> Callable[[Any], Any]:
    """A normalisation layer, or the identity function for None.

    Args:
        kind: `"batch"` (momentum 0.9, epsilon 1e-5), `"lrn"` (Krizhevsky's constants) or None.
        name: of the layer.

    Raises:
        ValueError: unknown kind; the message names the nearest.
    """
    check_choice("norm", kind, [None, *_KINDS])
    return _KINDS[kind](name) if kind else lambda x: x
