"""Task `throughput`: times a network's steps against a reference that takes turns with it."""

from __future__ import annotations

import statistics
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.harness.spec import Strict
from kerasref.tasks import _objects
from kerasref.tasks._config import ModelConfig

RESULTS_VERSION = 1
EXCLUSIVE = True

# Multiply-accumulates, and values moved, of a training step over those of inference: the backward
# pass multiplies twice, for the gradients of inputs and of weights.
_PASSES = {"training": 3, "inference": 1}


class Reference(Strict):
    """The network to compare with; exactly one of the first four.

    Attributes:
        builder: of `kerasref.models`; further keys are its arguments.
        twin: the network of keras.applications that the model's builder mirrors.
        keras_groups: the model itself with `keras.layers.Conv2D(groups=)` for `GroupedConv2D`.
        without: the model itself without its layers of this class, which must keep shapes.
        input_shape: of its images, where they are not the model's: a smaller input stands in for a
            slow network, whose images per second at full size are then still fewer.
        batch_size: its own, likewise.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    builder: str | None = None
    twin: bool = False
    keras_groups: bool = False
    without: str | None = None
    input_shape: list[int] | None = Field(None, min_length=3, max_length=3)
    batch_size: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Reference:
        kinds = (self.builder, self.twin, self.keras_groups, self.without)
        if sum(map(bool, kinds)) != 1:
            raise ValueError("give exactly one of builder, twin, keras_groups and without")
        if self.__pydantic_extra__ and not self.builder:
            extra = ", ".join(self.__pydantic_extra__)
            raise ValueError(f"{extra}: arguments go with builder")
        return self


class Config(Strict):
    """`model` against `reference`: `repeats` pairs of steps on `batch_size` random images."""

    model: ModelConfig
    reference: Reference
    step: Literal["training", "inference"] = "training"
    batch_size: int = Field(16, ge=1)
    repeats: int = Field(9, ge=1)


def preflight(config: Config) -> None:
    """Raises ConfigError for an unknown builder or argument, or a reference there is not."""
    _objects.builder(_reference_model(config))
    twin = _objects.builder(config.model).twin
    if config.reference.twin and not twin:
        message = f"keras.applications has no network like {config.model.builder}"
        raise ConfigError(message, ("reference", "twin"))


def run(config: Config, context: Context) -> dict[str, float]:
    """Build both networks, warm up, measure the machine, let them take turns.

    Metrics: `seconds` (median of a step), `spread` (interquartile range over median),
    `images_per_second`, `reference_seconds`, `reference_images_per_second`; `relative_speed`, the
    median over pairs of the model's images per second over the reference's; `params`, `macs`
    (multiply-accumulates per image, forward), `memory_access` (numbers that the layers with MACs
    read and write for one image, forward: inputs, outputs, weights); `flops_per_second` and
    `share_of_peak`, its share of the machine's `peak_flops`; `flop_floor` and `byte_floor`, a step
    over the time that its products take at that peak and that its memory access takes at
    `memory_bandwidth`; `byte_floor_seconds`; `reference_flop_floor` and `flop_floor_ratio`, the
    model's over the reference's; `peak_memory` in bytes, by which the process grew for the model.

    Raises:
        ConfigError: a strategy of several devices.
    """
    from kerasref.analysis import counts
    from kerasref.harness import strategy as strategies
    from kerasref.tasks import _timing

    strategy = context.start()
    if strategy.num_replicas_in_sync > 1:
        raise ConfigError("throughput measures one device: use --strategy one", ())
    context.tag("device", f"{strategies.describe(strategy)} ({_timing.machine()})")
    make_step = getattr(_timing, f"{config.step}_step")

    before = _timing.resident_peak()
    model = _objects.build(config.model)
    step = make_step(model, config.batch_size)
    step()
    grown = _timing.resident_peak() - before
    context.progress(1, 4, "parts")

    reference = _reference(config, model)
    batch = config.reference.batch_size or config.batch_size
    other = make_step(reference, batch)
    other()
    context.progress(2, 4, "parts")
    peak, bandwidth = _timing.peak_flops(), _timing.memory_bandwidth()
    context.progress(3, 4, "parts")
    times = _timing.alternate({"model": step, "reference": other}, repeats=config.repeats)

    ours, theirs = (statistics.median(times[name]) for name in ("model", "reference"))
    pairs = zip(times["model"], times["reference"], strict=True)
    total, access = counts.count(model), counts.memory_access(model)
    passes = _PASSES[config.step]
    flops = 2 * passes * total.macs * config.batch_size
    moved = 4 * passes * (access.activations * config.batch_size + access.weights)
    flop_floor = ours * peak / flops
    reference_flops = 2 * passes * counts.count(reference).macs * batch
    reference_flop_floor = theirs * peak / reference_flops
    return {
        "seconds": ours,
        "spread": _timing.spread(times["model"]),
        "images_per_second": config.batch_size / ours,
        "reference_seconds": theirs,
        "reference_images_per_second": batch / theirs,
        "relative_speed": statistics.median(
            (config.batch_size / mine) / (batch / yours) for mine, yours in pairs
        ),
        "params": total.params,
        "macs": total.macs,
        "memory_access": access.activations + access.weights,
        "peak_flops": peak,
        "memory_bandwidth": bandwidth,
        "flops_per_second": flops / ours,
        "share_of_peak": flops / ours / peak,
        "flop_floor": flop_floor,
        "reference_flop_floor": reference_flop_floor,
        "flop_floor_ratio": flop_floor / reference_flop_floor,
        "byte_floor": ours * bandwidth / moved,
        "byte_floor_seconds": moved / bandwidth,
        "peak_memory": grown,
    }


def _reference_model(config: Config) -> ModelConfig:
    """The builder and arguments of the reference, or of the network that it is made from."""
    reference = config.reference
    if reference.builder:
        chosen = ModelConfig(builder=reference.builder, **(reference.__pydantic_extra__ or {}))
    else:
        chosen = config.model
    if reference.input_shape:
        chosen = ModelConfig(
            builder=chosen.builder, **{**chosen.arguments, "input_shape": reference.input_shape}
        )
    return chosen


def _reference(config: Config, model: Any) -> Any:
    """Build the reference."""
    import keras

    from kerasref.layers import GroupedConv2D

    reference, chosen = config.reference, _reference_model(config)
    if reference.builder:
        return _objects.build(chosen)
    if reference.twin:
        twin = _objects.builder(config.model).twin
        given = chosen.arguments
        return getattr(keras.applications, twin.builder)(
            weights=None,
            input_shape=tuple(reference.input_shape or model.input_shape[1:]),
            classes=model.output_shape[-1],
            **{name: given[name] for name in twin.arguments if name in given},
        )

    replaced = []

    def replace(layer: Any) -> Any:
        if reference.keras_groups and isinstance(layer, GroupedConv2D):
            made = keras.layers.Conv2D.from_config(layer.get_config())
        elif type(layer).__name__ == reference.without:
            made = keras.layers.Identity(name=layer.name)
        else:
            return type(layer).from_config(layer.get_config())
        replaced.append(layer.name)
        return made

    changed = keras.models.clone_model(_objects.build(chosen), clone_function=replace)
    if not replaced:
        wanted = reference.without or "GroupedConv2D"
        raise ConfigError(f"{model.name} has no layer of class {wanted}", ("reference",))
    return changed
