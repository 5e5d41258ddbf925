"""What task `classify` measures in the trained network beside loss and accuracy."""

from __future__ import annotations

import statistics
from typing import Any

from pydantic import Field

from kerasref.harness.errors import ConfigError, did_you_mean
from kerasref.harness.spec import Strict


class Probes(Strict):
    """What to measure in the trained network, on `examples` images of the test set.

    Attributes:
        activations: `<layer>.zeros` and `<layer>.dead`, fractions of zero outputs and of units
            that are zero on every image; their means over layers `zero_fraction`, `dead_fraction`.
        shift: layers of which `<layer>.shift_change` is measured: the relative change of their
            output when the image moves by one pixel; `shift_change_last_minus_first`.
        gain_by: epoch; `gain_share` is the share of the run's gain in training accuracy since
            epoch 1 that was reached by then.
        examples: number of test images.
    """

    activations: bool = False
    shift: list[str] = Field([], min_length=2)
    gain_by: int | None = Field(None, ge=1)
    examples: int = Field(1000, ge=1)

    def check(self, model: Any) -> None:
        """Raises ConfigError for a layer that `model` does not have."""
        known = [layer.name for layer in model.layers]
        for name in self.shift:
            if name not in known:
                hint = did_you_mean(name, known)
                raise ConfigError(f"{model.name} has no layer {name!r}{hint}", ("probes", "shift"))

    def measure(self, model: Any, test: Any, history: list[dict[str, float]]) -> dict[str, float]:
        """Metrics of the probes that are asked for.

        Args:
            model: trained.
            test: pipeline of the test set.
            history: a row of metrics per epoch.
        """
        found: dict[str, float] = {}
        if self.gain_by:
            found["gain_share"] = _gain_share(history, self.gain_by)
        if self.activations or self.shift:
            x = test.inputs(self.examples)
            if self.activations:
                found |= _activations(model, x)
            if self.shift:
                found |= _shift(model, x, self.shift)
        return found


def _gain_share(history: list[dict[str, float]], epoch: int) -> float:
    gains = [row["train_accuracy"] for row in history]
    whole = gains[-1] - gains[0]
    so_far = gains[min(epoch, len(gains)) - 1] - gains[0]
    return so_far / whole if whole else float("nan")


def _activations(model: Any, x: Any) -> dict[str, float]:
    from kerasref.analysis import probes

    found = {}
    layers = probes.activation_statistics(model, x)
    for name, layer in layers.items():
        found |= {f"{name}.zeros": layer.zeros, f"{name}.dead": layer.dead}
    found["zero_fraction"] = statistics.fmean(layer.zeros for layer in layers.values())
    found["dead_fraction"] = statistics.fmean(layer.dead for layer in layers.values())
    return found


def _shift(model: Any, x: Any, layers: list[str]) -> dict[str, float]:
    from kerasref.analysis import probes

    changes = probes.shift_change(model, x, layers, pixels=1)
    first, *_, last = changes.values()
    return {
        **{f"{name}.shift_change": change for name, change in changes.items()},
        "shift_change_last_minus_first": last - first,
    }
