"""What task `classify` measures in the trained network beside loss and accuracy."""

from __future__ import annotations

import statistics
from typing import Annotated, Any

from pydantic import Field

from kerasref.harness.errors import ConfigError, did_you_mean
from kerasref.harness.spec import Strict
from kerasref.tasks import _lesions


class Probes(Strict):
    """What to measure in the trained network, on `examples` images of the test set.

    Attributes:
        activations: `<layer>.zeros` and `<layer>.dead`, fractions of zero outputs and of units
            that are zero on every image; their means over layers `zero_fraction`, `dead_fraction`.
        shift: layers of which `<layer>.shift_change` is measured: the relative change of their
            output when the image moves by one pixel; `shift_change_last_minus_first`.
        gain_by: epoch; `gain_share` is the share of the run's gain in training accuracy since
            epoch 1 that was reached by then.
        weights: layers of which the trained weights are described: `<layer>.<weight>.min`, `.max`
            and `.mean`.
        redundancy: layers whose channels' `<layer>.effective_rank`, `<layer>.redundancy` (1 -
            effective rank / channels) and `<layer>.correlation` (mean absolute, of two channels)
            are measured; means over the layers of the last two are `redundancy` and
            `channel_correlation`.
        filters: convolutions of which `<layer>.neighbour_correlation` is measured, how much
            adjacent weights resemble each other.
        selectivity: layers of which `<layer>.class_share` is measured, the share of their channels'
            variance that the predicted class explains; `class_share_last_minus_first`.
        dense: whether to compare dense evaluation of a VGG with voting over crops, on all test
            images at the size that `data.augment` gives them; see `_dense.measure`.
        gates: whether to measure how far the gates of gated shortcuts are open: `gate_mean`,
            `gate_shut` (fraction below 0.1), `gate_open` (above 0.9) and `gate_saturated`, their
            sum.
        lesions: numbers of residual units (of layers, in a plain network) to take out of the
            trained network at once; see `_lesions.measure`.
        swaps: number of pairs of them to exchange.
        reuse: whether to measure how large the weights are that layers behind concatenations give
            to each source: `<layer>.use_<n>`, relative to the layer's mean, of the n-th source
            back; `near_minus_far`, of the nearer half of the sources and the farther half, the
            mean over convolutions; `late_minus_early`, the same of the classifier.
        prunable: whether to measure, over the learned group convolutions, `prunable_importance`,
            the share of a group's absolute weights on the features that condensing gives up in
            the end, and `group_sparsity`, the share of pairs of a group and a feature with less
            than a tenth of the mean importance.
        changes_at: epochs of which the change of each metric since the epoch before is reported,
            `<metric>_change_1` for the first of them and so on; for the training loss also
            `train_loss_change_last_minus_others`, the last change less the largest other one.
        examples: number of test images.
    """

    activations: bool = False
    shift: list[str] = Field([], min_length=2)
    gain_by: int | None = Field(None, ge=1)
    weights: list[str] = []
    redundancy: list[str] = []
    filters: list[str] = []
    selectivity: list[str] = Field([], min_length=2)
    dense: bool = False
    gates: bool = False
    lesions: list[Annotated[int, Field(ge=1)]] = []
    swaps: int = Field(0, ge=0)
    reuse: bool = False
    prunable: bool = False
    changes_at: list[Annotated[int, Field(ge=2)]] = []
    examples: int = Field(1000, ge=1)

    def check(self, model: Any) -> None:
        """Raises ConfigError for a layer, unit or gate that `model` does not have."""
        known = [layer.name for layer in model.layers]
        if self.dense and not {"flatten", "fc1"} <= set(known):
            message = f"{model.name} is no VGG with hidden dense layers"
            raise ConfigError(message, ("probes", "dense"))
        for probe in ("shift", "weights", "redundancy", "filters", "selectivity"):
            for name in getattr(self, probe):
                if name not in known:
                    hint = did_you_mean(name, known)
                    message = f"{model.name} has no layer {name!r}{hint}"
                    raise ConfigError(message, ("probes", probe))
        if self.lesions or self.swaps:
            _lesions.check(model, self.lesions, self.swaps)
        if self.gates and not any(name.endswith("_gate") for name in known):
            raise ConfigError(f"{model.name} has no gates", ("probes", "gates"))
        if self.prunable and not _learned_groups(model):
            message = f"{model.name} has no learned group convolution"
            raise ConfigError(message, ("probes", "prunable"))
        if self.reuse and not any(name.endswith("_concat") for name in known):
            raise ConfigError(f"{model.name} concatenates nothing", ("probes", "reuse"))

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
        if self.changes_at:
            found |= _changes(history, self.changes_at)
        if self.reuse:
            found |= _reuse(model)
        if self.prunable:
            found |= _prunable(model)
        for name in self.weights:
            found |= _weights(model.get_layer(name))
        for name in self.filters:
            found |= _filters(model.get_layer(name))
        if self.lesions or self.swaps:
            found |= _lesions.measure(model, test, self.lesions, self.swaps, self.examples)
        if self.gates:
            found |= _gates(model, test.inputs(self.examples))
        if self.activations or self.shift or self.redundancy or self.selectivity:
            x = test.inputs(self.examples)
            if self.activations:
                found |= _activations(model, x)
            if self.shift:
                found |= _shift(model, x, self.shift)
            if self.redundancy:
                found |= _redundancy(model, x, self.redundancy)
            if self.selectivity:
                found |= _selectivity(model, x, self.selectivity)
        return found


def _gain_share(history: list[dict[str, float]], epoch: int) -> float:
    gains = [row["train_accuracy"] for row in history]
    whole = gains[-1] - gains[0]
    so_far = gains[min(epoch, len(gains)) - 1] - gains[0]
    return so_far / whole if whole else float("nan")


def _changes(history: list[dict[str, float]], epochs: list[int]) -> dict[str, float]:
    """Epochs that were not reached, as in a short run, count as the last."""
    found = {}
    for number, epoch in enumerate(epochs, 1):
        before, after = (history[min(e, len(history)) - 1] for e in (epoch - 1, epoch))
        found |= {
            f"{name}_change_{number}": value - before[name]
            for name, value in after.items()
            if name != "seconds"
        }
    changes = [found[f"train_loss_change_{number}"] for number in range(1, len(epochs) + 1)]
    if len(changes) > 1:
        found["train_loss_change_last_minus_others"] = changes[-1] - max(changes[:-1])
    return found


def _reuse(model: Any) -> dict[str, float]:
    from kerasref.analysis.feature_use import feature_use, near_minus_far

    table = feature_use(model)
    found = {
        f"{layer}.use_{len(uses) - place}": use.weight
        for layer, uses in table.items()
        for place, use in enumerate(uses)
    }
    *inside, (_, last) = table.items()
    found["near_minus_far"] = statistics.fmean(near_minus_far(uses) for _, uses in inside)
    found["late_minus_early"] = near_minus_far(last)
    return found


def _learned_groups(model: Any) -> list[Any]:
    from kerasref.layers import LearnedGroupConv2D

    return [layer for layer in model.layers if isinstance(layer, LearnedGroupConv2D)]


def _prunable(model: Any) -> dict[str, float]:
    import numpy as np

    shares, sparse = [], []
    for layer in _learned_groups(model):
        importance = np.sort(layer.importance(), axis=1)
        importance /= importance.mean(axis=1, keepdims=True)
        features = importance.shape[1]
        given_up = features - features // layer.condensation
        shares.append(importance[:, :given_up].sum(axis=1).mean() / features)
        sparse.append(np.mean(importance < 0.1))
    return {
        "prunable_importance": float(np.mean(shares)),
        "group_sparsity": float(np.mean(sparse)),
    }


def _gates(model: Any, x: Any) -> dict[str, float]:
    from kerasref.analysis.gates import gate_statistics

    gates = gate_statistics(model, x)
    return {
        "gate_mean": gates.mean,
        "gate_shut": gates.shut,
        "gate_open": gates.open,
        "gate_saturated": gates.saturated,
    }


def _weights(layer: Any) -> dict[str, float]:
    found = {}
    for weight in layer.weights:
        values, prefix = weight.numpy(), f"{layer.name}.{weight.name}"
        found |= {
            f"{prefix}.min": float(values.min()),
            f"{prefix}.max": float(values.max()),
            f"{prefix}.mean": float(values.mean()),
        }
    return found


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


def _redundancy(model: Any, x: Any, layers: list[str]) -> dict[str, float]:
    from kerasref.analysis import probes

    found = {}
    channels = probes.channel_redundancy(model, x, layers)
    for name, layer in channels.items():
        found |= {
            f"{name}.effective_rank": layer.effective_rank,
            f"{name}.redundancy": layer.redundancy,
            f"{name}.correlation": layer.correlation,
        }
    found["redundancy"] = statistics.fmean(layer.redundancy for layer in channels.values())
    found["channel_correlation"] = statistics.fmean(
        layer.correlation for layer in channels.values()
    )
    return found


def _filters(layer: Any) -> dict[str, float]:
    from kerasref.analysis import filters

    kernel = layer.get_weights()[0]
    return {f"{layer.name}.neighbour_correlation": filters.neighbour_correlation(kernel)}


def _selectivity(model: Any, x: Any, layers: list[str]) -> dict[str, float]:
    from kerasref.analysis import filters

    shares = filters.class_share(model, x, layers)
    first, *_, last = shares.values()
    return {
        **{f"{name}.class_share": share for name, share in shares.items()},
        "class_share_last_minus_first": last - first,
    }
