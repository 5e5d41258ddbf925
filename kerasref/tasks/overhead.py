"""Task `overhead`: an epoch of a recorded, checkpointed run against loops written by hand."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import Field

from kerasref import data
from kerasref.harness.context import Context
from kerasref.harness.spec import Strict
from kerasref.tasks import _inputs, _objects
from kerasref.tasks._config import DataConfig, ModelConfig

RESULTS_VERSION = 2
EXCLUSIVE = True


class Config(Strict):
    """`model` is trained for `epochs` as a run, by hand and by `Model.fit`, in `rounds` turns."""

    model: ModelConfig
    data: DataConfig
    epochs: int = Field(3, ge=2)
    rounds: int = Field(3, ge=1)


def alternatives(config: Config) -> list[Config]:
    """The configuration with its data source, then with each fallback."""
    return [config.model_copy(update={"data": choice}) for choice in config.data.alternatives()]


def available(config: Config) -> bool:
    """True if the data source is prepared."""
    return data.is_available(config.data.source)


def preflight(config: Config) -> None:
    """Raises ConfigError for an unknown builder or argument."""
    _objects.builder(config.model)


def run(config: Config, context: Context) -> dict[str, float]:
    """Train the three ways in turns, with SGD, batch and shuffling alike.

    Metrics: `run_epoch_seconds`, `hand_written_epoch_seconds`, `model_fit_epoch_seconds`, of the
    fastest epoch with its evaluation, as what else the machine does only adds to a time;
    `overhead_over_hand_written` and `overhead_over_model_fit`, the first over each of the others,
    less 1; `mlflow_share`, MLflow's part of a run's wall time (mean over the rounds);
    `list_seconds`, of `kerasref list` (median of five).
    """
    from kerasref.tasks import _timing

    context.start()
    context.tag("device", f"1 x CPU ({_timing.machine()})")
    inputs = _inputs.load(config.data, context.seed)
    context.tag("data_fingerprint", inputs.fingerprint)
    fits: list[float] = []
    loops: list[float] = []
    runs: list[float] = []
    shares: list[float] = []

    def run_once() -> None:
        ends, share = _recorded(config, context.seed)
        runs.extend(_epochs(ends))
        shares.append(share)
        context.progress(len(shares), config.rounds, "rounds")

    _timing.alternate(
        {
            "model_fit": lambda: fits.extend(_epochs(_model_fit(config, context.seed))),
            "hand_written": lambda: loops.extend(_epochs(_hand_written(config, context.seed))),
            "run": run_once,
        },
        repeats=config.rounds,
    )
    recorded, by_hand, by_fit = min(runs), min(loops), min(fits)
    return {
        "run_epoch_seconds": recorded,
        "hand_written_epoch_seconds": by_hand,
        "model_fit_epoch_seconds": by_fit,
        "overhead_over_hand_written": recorded / by_hand - 1,
        "overhead_over_model_fit": recorded / by_fit - 1,
        "mlflow_share": statistics.mean(shares),
        "list_seconds": _seconds_of_list(),
    }


def _seconds_of_list() -> float:
    command = [sys.executable, "-m", "kerasref", "list"]

    def once() -> float:
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - began

    return statistics.median(once() for _ in range(5))


def _parts(config: Config, seed: int) -> tuple[Any, Any, Any, Any]:
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return (
        _objects.build(config.model),
        keras.optimizers.SGD(0.01),
        keras.losses.SparseCategoricalCrossentropy(),
        keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
    )


def _epochs(ends: list[float]) -> list[float]:
    """Seconds of the epochs that end then; not of the first, which traces."""
    return [end - begin for begin, end in itertools.pairwise(ends)]


def _recorded(config: Config, seed: int) -> tuple[list[float], float]:
    """Ends of the epochs, with MLflow and checkpoints, and MLflow's share of the whole run."""
    from kerasref.harness import loop, strategy, tracking
    from kerasref.harness.plan import Run

    marks: list[float] = []
    logging = 0.0

    def timed(function: Callable, *arguments: Any) -> Any:
        nonlocal logging
        began = time.perf_counter()
        result = function(*arguments)
        logging += time.perf_counter() - began
        return result

    with tempfile.TemporaryDirectory() as directory:
        store = tracking.Store(Path(directory), f"sqlite:///{directory}/mlflow.db")
        settings = config.model_dump(mode="json", exclude_defaults=True)
        run = Run("bench/overhead", "recorded", seed, "laptop", "overhead", settings)
        parent = store.begin_invocation(run.experiment, "overhead", {})
        inputs = _inputs.load(config.data, seed)
        began = time.perf_counter()
        log = timed(store.begin, run, parent, {})

        def on_epoch(epoch: int, row: dict[str, float]) -> None:
            timed(log.epoch, epoch, row)
            marks.append(time.perf_counter())

        model, optimizer, loss, accuracy = _parts(config, seed)
        history = loop.fit(
            model,
            optimizer=optimizer,
            loss=loss,
            metrics=[accuracy],
            train=inputs.train,
            validation=inputs.test,
            epochs=config.epochs,
            strategy=strategy.start("one"),
            checkpoint=Path(directory) / "run.ckpt",
            on_epoch=on_epoch,
        )
        timed(log.finish, history[-1])
        share = logging / (time.perf_counter() - began)
    return marks, share


def _hand_written(config: Config, seed: int) -> list[float]:
    """The loop that one would write: tf.data, one tf.function per step, the same evaluation."""
    import numpy as np
    import tensorflow as tf

    model, optimizer, loss, accuracy = _parts(config, seed)
    optimizer.build(model.trainable_variables)
    test_accuracy = type(accuracy)(name="test_accuracy")

    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            prediction = model(x, training=True)
            value = loss(y, prediction)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        accuracy.update_state(y, prediction)
        return value

    @tf.function
    def test_step(x, y):
        prediction = model(x, training=False)
        test_accuracy.update_state(y, prediction)
        return loss(y, prediction)

    train, test = _datasets(config, seed)
    marks = []
    for _ in range(config.epochs):
        losses = [train_step(x, y) for x, y in train]
        test_losses = [test_step(x, y) for x, y in test]
        float(np.mean(losses)), float(np.mean(test_losses)), float(test_accuracy.result())
        for metric in (accuracy, test_accuracy):
            metric.reset_state()
        marks.append(time.perf_counter())
    return marks


def _model_fit(config: Config, seed: int) -> list[float]:
    import keras

    model, optimizer, loss, accuracy = _parts(config, seed)
    model.compile(optimizer, loss, metrics=[accuracy])
    train, test = _datasets(config, seed)
    marks: list[float] = []
    mark = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: marks.append(time.perf_counter())
    )
    model.fit(train, validation_data=test, epochs=config.epochs, verbose=0, callbacks=[mark])
    return marks


def _datasets(config: Config, seed: int) -> tuple[Any, Any]:
    import tensorflow as tf

    def scaled(x, y):
        return tf.cast(x, tf.float32) / 255.0, y

    settings, batch = config.data, config.data.batch_size
    images = data.load(
        settings.source, settings.train, settings.test, settings.image_size, settings.channels
    )
    train = tf.data.Dataset.from_tensor_slices((images.x_train, images.y_train))
    train = train.shuffle(len(images.x_train), seed=seed).batch(batch, drop_remainder=True)
    test = tf.data.Dataset.from_tensor_slices((images.x_test, images.y_test)).batch(batch)
    return train.map(scaled).prefetch(2), test.map(scaled).prefetch(2)
