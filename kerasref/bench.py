"""What the harness costs, measured against loops written by hand.

Contestants alternate in one process on one thread; figures are medians over repeats, seconds are
wall time.
"""

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


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """All figures by name; `say` is told what is going on."""
    from kerasref.harness import strategy

    strategy.start("one", threads=1)
    say("kerasref list ...")
    figures = {"list_seconds": _seconds_of_list()}
    say("grouped convolution ...")
    figures |= _grouped_convolution()
    source = "fashion_mnist" if data.is_available("fashion_mnist") else "random images"
    say(f"LeNet-5, {EXAMPLES:,} images ({source}), batch {BATCH}, {REPEATS} x {EPOCHS} epochs ...")
    figures |= _overhead(source)
    return figures


def _seconds_of_list() -> float:
    command = [sys.executable, "-m", "kerasref", "list"]

    def once() -> float:
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - began

    return statistics.median(once() for _ in range(5))


def _grouped_convolution(steps: int = 3) -> dict[str, float]:
    """Training step of a 3x3 convolution, 64 channels, 8 groups, 28x28, batch 8."""
    import keras

    from kerasref.layers import GroupedConv2D

    keras.utils.set_random_seed(0)
    arguments = {"filters": 64, "kernel_size": 3, "padding": "same", "groups": 8}
    ours = _training_step(GroupedConv2D(**arguments))
    theirs = _training_step(keras.layers.Conv2D(**arguments))
    times = _alternate({"ours": ours, "keras": theirs}, steps)
    return {
        "grouped_conv_step_seconds": times["ours"],
        "grouped_conv_keras_step_seconds": times["keras"],
        "grouped_conv_speedup": times["keras"] / times["ours"],
    }


def _training_step(layer: Any) -> Callable[[], Any]:
    import tensorflow as tf

    x = tf.constant(np.random.default_rng(0).normal(size=(8, 28, 28, 64)).astype("float32"))
    layer.build(x.shape)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(layer(x)))
        return tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_weights)])

    return lambda: step()[0].numpy()


def _alternate(contestants: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for repeat in range(repeats + 1):
        for name, contestant in contestants.items():
            began = time.perf_counter()
            contestant()
            if repeat:  # the first traces and warms up
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


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
    x = rng.integers(0, 256, (EXAMPLES + 10_000, 28, 28, 1), "uint8")
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
