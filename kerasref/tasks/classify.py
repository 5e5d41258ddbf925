"""Task `classify`: trains an image classifier and reports how it learned."""

from __future__ import annotations

import statistics

from pydantic import model_validator

from kerasref import data
from kerasref.harness.context import Context
from kerasref.harness.spec import Strict
from kerasref.tasks import _dense, _inputs, _objects
from kerasref.tasks._config import DataConfig, ModelConfig, TrainConfig
from kerasref.tasks._probes import Probes

RESULTS_VERSION = 1

# Accuracy up to this many times chance counts as not having learned at all.
COLLAPSED = 1.5


class Config(Strict):
    """Model, data and training of a classifier."""

    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    probes: Probes = Probes()

    @model_validator(mode="after")
    def _dense_evaluation_has_whole_images(self) -> Config:
        if self.probes.dense and not (self.data.augment and self.data.augment.sides):
            raise ValueError("probes.dense needs data.augment.sides")
        return self


def alternatives(config: Config) -> list[Config]:
    """The configuration with its data source, then with each fallback."""
    return [config.model_copy(update={"data": choice}) for choice in config.data.alternatives()]


def available(config: Config) -> bool:
    """True if the data source is prepared."""
    return data.is_available(config.data.source)


def prepare(config: Config) -> str:
    """Prepare the data source; returns what went wrong, or nothing."""
    try:
        data.prepare(config.data.source)
    except data.DataError as error:
        return str(error)
    return ""


def preflight(config: Config) -> None:
    """Raises ConfigError for an unknown builder, optimizer, callback or argument of one."""
    _objects.builder(config.model)
    _objects.optimizer(config.train.optimizer)
    _objects.callbacks(config.train.callbacks)


def run(config: Config, context: Context) -> dict[str, float]:
    """Train, evaluate after every epoch, probe the trained network.

    Per-epoch metrics: `train_loss`, `train_accuracy` (running means in training mode),
    `test_loss`, `test_accuracy`, `seconds`.
    Final metrics: those of the last epoch; `fit_loss` and `fit_accuracy` on the training set in
    inference mode and `accuracy_gap` = fit - test accuracy (not for streamed data); `params`;
    `seconds_per_epoch` (median, without the first); `collapsed` (1 if test accuracy is no better
    than 1.5 times chance); those of `Probes`.
    """
    import keras

    from kerasref.harness import loop
    from kerasref.harness.strategy import synchronise_batch_norm
    from kerasref.tasks import _losses

    strategy = context.start()
    keras.config.set_dtype_policy(config.train.precision)
    inputs = _inputs.load(config.data, context.seed)
    context.tag("data_fingerprint", inputs.fingerprint)
    with strategy.scope():
        model = _objects.build(config.model, input_shape=inputs.shape, classes=inputs.classes)
        optimizer = _objects.optimizer(config.train.optimizer)
    synchronise_batch_norm(model, strategy)
    config.probes.check(model)

    logged = set()

    def log(epoch: int, metrics: dict[str, float]) -> None:
        logged.add(epoch)
        context.log_epoch(epoch, metrics)

    loss = _losses.cross_entropy(config.train.label_smoothing)
    metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    if k := config.train.top_k:
        metrics.append(keras.metrics.SparseTopKCategoricalAccuracy(k, name="top_k_accuracy"))
    evaluate = loop.Evaluator(model, loss, metrics, strategy)
    history = loop.fit(
        model,
        optimizer=optimizer,
        loss=loss,
        train=inputs.train,
        validation=inputs.test,
        epochs=config.train.epochs,
        strategy=strategy,
        metrics=metrics,
        callbacks=_objects.callbacks(config.train.callbacks),
        checkpoint=context.checkpoint,
        auxiliary_weight=config.train.auxiliary_weight,
        evaluate=evaluate,
        on_epoch=log,
        on_step=lambda step, total: context.progress(
            step / inputs.train.steps, config.train.epochs, "epochs"
        ),
    )
    for epoch, row in enumerate(history, start=1):
        if epoch not in logged:  # trained before an interruption
            log(epoch, row)

    last = history[-1]
    seconds = [row["seconds"] for row in history]
    result = {
        **last,
        "params": model.count_params(),
        "seconds_per_epoch": statistics.median(seconds[1:] or seconds),
        "collapsed": float(last["test_accuracy"] <= COLLAPSED / inputs.classes),
    }
    if inputs.train_in_order is not None:
        fit = evaluate(inputs.train_in_order)
        result |= {
            "fit_loss": fit["loss"],
            "fit_accuracy": fit["accuracy"],
            "accuracy_gap": fit["accuracy"] - last["test_accuracy"],
        }
    if config.probes.dense:
        result |= _dense.measure(config.model, model, inputs, config.train.top_k)
    return result | config.probes.measure(model, inputs.test, history)
