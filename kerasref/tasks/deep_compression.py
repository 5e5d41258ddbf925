"""Task `deep_compression`: trains a classifier, compresses it into a file and reads it back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError
from kerasref.harness.spec import Strict
from kerasref.tasks import _inputs, _objects
from kerasref.tasks._config import DataConfig, ModelConfig, Named, TrainConfig
from kerasref.tasks.classify import COLLAPSED, alternatives, available, prepare

__all__ = ["Config", "alternatives", "available", "preflight", "prepare", "run"]

RESULTS_VERSION = 1

Share = Annotated[float, Field(gt=0, le=1)]


class StageConfig(Strict):
    """How a stage trains again: for `epochs`, with `optimizer`, by default that of `train`."""

    epochs: int = Field(1, ge=0)
    optimizer: Named | None = None


class Rule(Strict):
    """The share of weights that layers keep whose names match the pattern `layers`."""

    layers: str
    keep: Share


class PruneConfig(StageConfig):
    """`density` is the share of weights to keep, of all kernels or by rules.

    The first rule that matches a layer counts; layers that none matches are kept whole.
    """

    density: Share | list[Rule]

    @property
    def shares(self) -> float | dict[str, float]:
        """What `kerasref.compression.densities` takes."""
        if isinstance(self.density, float):
            return self.density
        return {rule.layers: rule.keep for rule in self.density}


class ShareConfig(StageConfig):
    """A kernel's labels have `bits` bits: `2**bits - 1` shared values, and zero."""

    bits: int = Field(6, ge=1, le=16)


class Config(Strict):
    """Model, data and training, then the stages of Deep Compression.

    `callbacks` of `train` belong to the first training. `index_bits` is the size of a step from
    one weight that is not zero to the next.
    """

    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    prune: PruneConfig
    share: ShareConfig = ShareConfig()
    index_bits: int = Field(4, ge=1, le=16)


def preflight(config: Config) -> None:
    """Raises ConfigError for an unknown builder, optimizer, callback or argument of one."""
    _objects.builder(config.model)
    for named in (config.train, config.prune, config.share):
        _objects.optimizer(named.optimizer or config.train.optimizer)
    _objects.callbacks(config.train.callbacks)


def run(config: Config, context: Context) -> dict[str, float]:
    """Train, prune, retrain, share weights, tune the shared values, write, read, compare.

    Per-epoch metrics: those of `classify`, epochs counted through all stages.
    Final metrics: accuracy on the test set after each stage, `trained_accuracy`,
    `pruned_accuracy`, `retrained_accuracy`, `shared_accuracy`, `tuned_accuracy` and
    `loaded_accuracy`; `accuracy_change` (loaded less trained), `retraining_gain` and `tuning_gain`;
    `params`, `kept` (not pruned) and `kept_share`; for the stages `dense`, `pruned`, `shared` and
    `archive` the size as `<stage>_bytes` and, per weight of the network, `<stage>_bits`: the first
    three by the arithmetic of `compression.sizes`, the last of the file on disk; `ratio` (dense
    over archive), `coding_ratio` (shared over archive); `keras_bytes`, of Keras's own file of
    weights, and `file_ratio` (that over archive); `predictions_equal` (share of test images for
    which a new model that read the archive gives the same numbers as the one that wrote it) and
    `largest_difference`; `collapsed` as in `classify`.
    """
    import keras

    from kerasref import compression
    from kerasref.harness import loop
    from kerasref.harness.strategy import synchronise_batch_norm
    from kerasref.tasks import _losses

    strategy = context.start()
    keras.config.set_dtype_policy(config.train.precision)
    inputs = _inputs.load(config.data, context.seed)
    context.tag("data_fingerprint", inputs.fingerprint)

    def build() -> Any:
        with strategy.scope():
            return _objects.build(config.model, input_shape=inputs.shape, classes=inputs.classes)

    model = build()
    synchronise_batch_norm(model, strategy)
    try:
        compression.densities(model, config.prune.shares)
    except ValueError as error:
        raise ConfigError(str(error), ("prune", "density")) from error
    loss = _losses.cross_entropy(config.train.label_smoothing)
    metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    if k := config.train.top_k:
        metrics.append(keras.metrics.SparseTopKCategoricalAccuracy(k, name="top_k_accuracy"))
    stages = _Stages(config, context, inputs, strategy, loss, metrics)
    evaluate = loop.Evaluator(model, loss, metrics, strategy)
    accuracy = {}

    def measure(stage: str) -> None:
        accuracy[stage] = evaluate(inputs.test)["accuracy"]

    stages.fit("train", model, config.train.callbacks)
    measure("trained")
    masks = compression.prune(model, config.prune.shares)
    measure("pruned")
    with compression.masked(model, masks):
        stages.fit("prune", model)
    measure("retrained")
    shared = compression.share_kernels(model, config.share.bits)
    measure("shared")
    if config.share.epochs:
        with strategy.scope():
            tied = compression.SharedWeights(model, shared)
        stages.fit("share", tied)
        shared = tied.write_back()
    measure("tuned")

    loaded = build()
    with tempfile.TemporaryDirectory() as directory:
        archive, plain = Path(directory, "model.krdc"), Path(directory, "model.weights.h5")
        compression.save(archive, model, shared, config.index_bits)
        model.save_weights(plain)
        compression.load(archive, loaded)
        archive_bytes, keras_bytes = archive.stat().st_size, plain.stat().st_size
    stages.forget()
    accuracy["loaded"] = loop.Evaluator(loaded, loss, metrics, strategy)(inputs.test)["accuracy"]
    equal, difference = _compare(model, loaded, inputs.test)
    sizes = compression.sizes(model, shared, config.share.bits, config.index_bits)
    found = {
        **{f"{stage}_accuracy": value for stage, value in accuracy.items()},
        "accuracy_change": accuracy["loaded"] - accuracy["trained"],
        "retraining_gain": accuracy["retrained"] - accuracy["pruned"],
        "tuning_gain": accuracy["tuned"] - accuracy["shared"],
        "params": sizes.params,
        "kept": sizes.kept,
        "kept_share": sizes.kept / sizes.params,
        "ratio": sizes.dense / 8 / archive_bytes,
        "coding_ratio": sizes.shared / 8 / archive_bytes,
        "keras_bytes": keras_bytes,
        "file_ratio": keras_bytes / archive_bytes,
        "predictions_equal": equal,
        "largest_difference": difference,
        "collapsed": float(accuracy["trained"] <= COLLAPSED / inputs.classes),
    }
    bits = {"dense": sizes.dense, "pruned": sizes.pruned, "shared": sizes.shared}
    for stage, number in {**bits, "archive": 8 * archive_bytes}.items():
        found |= {f"{stage}_bytes": number / 8, f"{stage}_bits": number / sizes.params}
    return found


class _Stages:
    """The trainings of one run, each resumed from a checkpoint of its own.

    That of a finished stage stays until `forget`, so that a run that was killed later finds its
    way back through it. The first stage has the run's own file; where there is none, a run starts
    from the beginning and the others are of no use.
    """

    def __init__(self, config, context, inputs, strategy, loss, metrics):
        self._config, self._context, self._inputs = config, context, inputs
        self._arguments = {"strategy": strategy, "loss": loss, "metrics": metrics}
        self._epochs = {
            stage: getattr(config, stage).epochs for stage in ("train", "prune", "share")
        }
        self._before = 0
        if context.checkpoint is not None and not context.checkpoint.exists():
            self.forget()

    def fit(self, stage: str, model: Any, callbacks: list[Named] = ()) -> None:
        """Train `model` as the configuration of `stage` says."""
        from kerasref.harness import loop

        epochs, before, total = self._epochs[stage], self._before, sum(self._epochs.values())
        self._before += epochs
        if not epochs:
            return
        named = getattr(self._config, stage).optimizer or self._config.train.optimizer
        strategy, steps = self._arguments["strategy"], self._inputs.train.steps
        with strategy.scope():
            optimizer = _objects.optimizer(named)
        model.stop_training = False
        logged = set()

        def log(epoch: int, row: dict[str, float]) -> None:
            logged.add(epoch)
            self._context.log_epoch(before + epoch, row)

        history = loop.fit(
            model,
            optimizer=optimizer,
            train=self._inputs.train,
            validation=self._inputs.test,
            epochs=epochs,
            callbacks=_objects.callbacks(list(callbacks)),
            checkpoint=self._file(stage),
            auxiliary_weight=self._config.train.auxiliary_weight,
            on_epoch=log,
            on_step=lambda step, _: self._context.progress(before + step / steps, total, "epochs"),
            **self._arguments,
        )
        for epoch, row in enumerate(history, start=1):
            if epoch not in logged:  # trained before an interruption
                log(epoch, row)

    def forget(self) -> None:
        """Remove the checkpoints of the stages after the first."""
        for stage in ("prune", "share"):
            if (path := self._file(stage)) is not None:
                path.unlink(missing_ok=True)

    def _file(self, stage: str) -> Path | None:
        path = self._context.checkpoint
        return path if path is None or stage == "train" else path.with_suffix(f".{stage}.ckpt")


def _compare(model: Any, loaded: Any, test: Any) -> tuple[float, float]:
    """Share of the test images with equal outputs, and the largest difference of an output."""
    import keras
    import numpy as np

    equal = images = 0
    largest = 0.0
    for x, _, weight in _inputs.one_pass(test):
        ours, theirs = (
            np.asarray(keras.tree.flatten(network(x, training=False))[0])[weight.numpy() > 0]
            for network in (model, loaded)
        )
        images += len(ours)
        equal += int((ours == theirs).all(axis=tuple(range(1, ours.ndim))).sum())
        largest = max(largest, float(np.abs(ours - theirs).max()))
    return equal / images, largest
