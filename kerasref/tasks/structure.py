"""Task `structure`: counts a network without training it, or even allocating its weights."""

from __future__ import annotations

from kerasref.harness.context import Context
from kerasref.harness.spec import Strict
from kerasref.tasks import _objects
from kerasref.tasks._config import ModelConfig

RESULTS_VERSION = 1


class Config(Strict):
    """`model` is the network to count."""

    model: ModelConfig


def preflight(config: Config) -> None:
    """Raises ConfigError for an unknown builder or argument."""
    _objects.builder(config.model)


def run(config: Config, context: Context) -> dict[str, float]:
    """Counts of the whole network and of each layer.

    Metrics: `params`, `trainable`, `non_trainable`, `macs` (multiply-accumulates per example),
    `activations`, and per layer `<name>.params`, `<name>.macs`, `<name>.outputs` (numbers per
    example).
    """
    import math

    from kerasref.analysis import counts
    from kerasref.analysis.weightless import weightless

    context.start()
    model = weightless(lambda: _objects.build(config.model))
    total = counts.count(model)
    rows = counts.layer_table(model)
    metrics = {
        "params": total.params,
        "trainable": total.trainable,
        "non_trainable": total.non_trainable,
        "macs": total.macs,
        "activations": total.activations,
    }
    for row in rows:
        metrics[f"{row.name}.params"] = row.params
        metrics[f"{row.name}.macs"] = row.macs
        metrics[f"{row.name}.outputs"] = math.prod(row.output_shape[1:])
    return metrics
