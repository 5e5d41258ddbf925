"""The harness against loops written by hand, on one thread; seconds are wall time."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasref import data

EXAMPLES, BATCH, EPOCHS, REPEATS = 60_000, 128, 3, 3


def measure() -> dict[str, Any]:
    """Figures by name: medians over repeats, and the images' source."""
    from kerasref.bench import layers
    from kerasref.harness import strategy

    strategy.start("one", threads=1)
    source = "fashion_mnist" if data.is_available("fashion_mnist") else "random images"
    return {
        "images": source,
        "list_seconds": _seconds_of_list(),
        **layers.grouped_convolution(),
        **_overhead(source),
    }


def _seconds_of_list() -> float:
    command = [sys.executable, "-m", "kerasref", "list"]

    def once() -> float:
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - began

    return statistics.median(once() for _ in range(5))


def _overhead(source: str) -> dict[str, float]:
    """Epoch of a recorded, checkpointed run against a hand-written loop and `model.fit`."""
    images = _images(source)
    seconds: dict[str, list[float]] = {"run": [], "hand": [], "fit": []}
    shares = []
    for repeat in range(REPEATS):
        run, share = _run(images, repeat)
        shares.append(share)
        seconds["run"].append(run)
        seconds["hand"].append(_hand_written(images, repeat))
        seconds["fit"].append(_model_fit(images, repeat))
    run, hand, fit = (statistics.median(seconds[name]) for name in ("run", "hand", "fit"))
    return {
        "run_epoch_seconds": run,
        "hand_written_epoch_seconds": hand,
        "model_fit_epoch_seconds": fit,
        "overhead_over_hand_written": run / hand - 1,
        "overhead_over_model_fit": run / fit - 1,
        "mlflow_share_of_run": statistics.median(shares),
    }


def _images(source: str) -> data.ImageData:
    if source in data.SOURCES:
        return data.load(source)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (EXAMPLES + EXAMPLES // 6, 28, 28, 1), "uint8")
    y = rng.integers(0, 10, len(x), "int32")
    return data.ImageData(x[:EXAMPLES], y[:EXAMPLES], x[EXAMPLES:], y[EXAMPLES:], 10, source, "")


def _parts(seed: int) -> tuple[Any, Any, Any, Any]:
    import keras

    from kerasref.models import LeNet5Keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return (
        LeNet5Keras(),
        keras.optimizers.SGD(0.01),
        keras.losses.SparseCategoricalCrossentropy(),
        keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
    )


def _epoch_seconds(marks: list[float]) -> float:
    """Between the ends of the first and the last epoch, so that tracing is left out."""
    return (marks[-1] - marks[0]) / (len(marks) - 1)


def _run(images: data.ImageData, seed: int) -> tuple[float, float]:
    """Seconds per epoch with MLflow and checkpoints, and MLflow's share of the whole run."""
    from kerasref.data.pipeline import ArrayPipeline
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
        config = {
            "model": {"builder": "LeNet5Keras"},
            "data": {"source": "digits"},
            "train": {"epochs": EPOCHS},
        }
        run = Run("bench/harness/overhead", "lenet5", seed, "laptop", "classify", config)
        parent = store.begin_invocation(run.experiment, "overhead", {})
        began = time.perf_counter()
        log = timed(store.begin, run, parent, {})

        def on_epoch(epoch: int, row: dict[str, float]) -> None:
            timed(log.epoch, epoch, row)
            marks.append(time.perf_counter())

        model, optimizer, loss, accuracy = _parts(seed)
        history = loop.fit(
            model,
            optimizer=optimizer,
            loss=loss,
            metrics=[accuracy],
            train=ArrayPipeline(images.x_train, images.y_train, BATCH, seed=seed, shuffle=True),
            validation=ArrayPipeline(images.x_test, images.y_test, BATCH, shuffle=False),
            epochs=EPOCHS,
            strategy=strategy.start("one"),
            checkpoint=Path(directory) / "run.ckpt",
            on_epoch=on_epoch,
        )
        timed(log.finish, history[-1])
        share = logging / (time.perf_counter() - began)
    return _epoch_seconds(marks), share


def _hand_written(images: data.ImageData, seed: int) -> float:
    """The loop that one would write: tf.data, one tf.function per step, the same evaluation."""
    import tensorflow as tf

    model, optimizer, loss, accuracy = _parts(seed)
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

    train, test = _datasets(images, seed)
    marks = []
    for _ in range(EPOCHS):
        losses = [train_step(x, y) for x, y in train]
        test_losses = [test_step(x, y) for x, y in test]
        float(np.mean(losses)), float(np.mean(test_losses)), float(test_accuracy.result())
        for metric in (accuracy, test_accuracy):
            metric.reset_state()
        marks.append(time.perf_counter())
    return _epoch_seconds(marks)


def _model_fit(images: data.ImageData, seed: int) -> float:
    import keras

    model, optimizer, loss, accuracy = _parts(seed)
    model.compile(optimizer, loss, metrics=[accuracy])
    train, test = _datasets(images, seed)
    marks: list[float] = []
    mark = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: marks.append(time.perf_counter())
    )
    model.fit(train, validation_data=test, epochs=EPOCHS, verbose=0, callbacks=[mark])
    return _epoch_seconds(marks)


def _datasets(images: data.ImageData, seed: int) -> tuple[Any, Any]:
    import tensorflow as tf

    def scaled(x, y):
        return tf.cast(x, tf.float32) / 255.0, y

    train = tf.data.Dataset.from_tensor_slices((images.x_train, images.y_train))
    train = train.shuffle(len(images.x_train), seed=seed).batch(BATCH, drop_remainder=True)
    test = tf.data.Dataset.from_tensor_slices((images.x_test, images.y_test)).batch(BATCH)
    return train.map(scaled).prefetch(2), test.map(scaled).prefetch(2)
