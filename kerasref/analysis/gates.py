"""How far the gates of gated shortcuts are open."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

_NEAR = 0.1  # of 0 or 1


@dataclasses.dataclass(frozen=True)
class Gates:
    """Of all values of all gates: their `mean`, and the fractions `shut` (below 0.1) and `open`.

    `open` counts values above 0.9; `saturated` is the sum of the two.
    """

    mean: float
    shut: float
    open: float

    @property
    def saturated(self) -> float:
        return self.shut + self.open


def gate_statistics(model: keras.Model, x: Any, batch_size: int = 128) -> Gates:
    """Statistics over the outputs of the layers `<unit>_gate`. Ledger A1.4-8.

    Args:
        model: ResNet with gated shortcuts.
        x: images, the batch first.
        batch_size: examples per call.

    Raises:
        ValueError: a model without such layers.
    """
    gates = [
        layer.output for layer in model.layers if layer.name.endswith("_gate") and layer.weights
    ]
    if not gates:
        raise ValueError(f"{model.name} has no gates")
    inside = keras.Model(model.input, gates)
    count = total = shut = open_ = 0.0
    for start in range(0, len(x), batch_size):
        for output in inside(x[start : start + batch_size], training=False):
            values = keras.ops.convert_to_numpy(output)
            count += values.size
            total += values.sum(dtype="float64")
            shut += (values < _NEAR).sum()
            open_ += (values > 1 - _NEAR).sum()
    return Gates(mean=total / count, shut=shut / count, open=open_ / count)
