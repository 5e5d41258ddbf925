"""Fair timing of steps in one process, and what this machine could do at best."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def alternate(contestants: dict[str, Callable[[], Any]], *, repeats: int) -> dict[str, list[float]]:
    """Wall seconds of each call, by contestant.

    Everyone is called once per round, in reverse order every other round, so that drift of the
    machine meets all alike.

    Args:
        contestants: what to call, warmed up; it must return only when the work is done.
        repeats: number of rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(repeats):
        order = list(contestants.items())
        for name, contestant in reversed(order) if number % 2 else order:
            times[name].append(_seconds(contestant))
    return times


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def spread(values: list[float]) -> float:
    """Interquartile range over median; 0 for a single value."""
    low, high = np.percentile(values, [25, 75])
    return float((high - low) / statistics.median(values))


def training_step(model: Any, batch: int) -> Callable[[], float]:
    """One step of gradient descent on fixed random images, as one graph; returns the loss.

    Args:
        model: classifier, images `(batch, height, width, channels)` -> `(batch, classes)`, or such
            outputs of which the first counts.
        batch: images in a step.
    """
    import keras
    import tensorflow as tf

    x, y = _examples(model, batch)
    loss = keras.losses.SparseCategoricalCrossentropy()
    optimizer = keras.optimizers.SGD(1e-3)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(y, _first(model(x, training=True)))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return value

    return lambda: float(step())


def inference_step(model: Any, batch: int) -> Callable[[], float]:
    """One prediction for fixed random images, as one graph; returns its sum."""
    import tensorflow as tf

    x, _ = _examples(model, batch)
    step = tf.function(lambda: tf.reduce_sum(_first(model(x, training=False))))
    return lambda: float(step())


def _examples(model: Any, batch: int) -> tuple[Any, Any]:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    classes = model.outputs[0].shape[-1]
    x = rng.normal(size=(batch, *model.input_shape[1:])).astype("float32")
    return tf.constant(x), tf.constant(rng.integers(0, classes, batch))


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, list | tuple) else output


def peak_flops(side: int = 2048, repeats: int = 5) -> float:
    """Best floating-point operations per second of a product of two float32 matrices."""
    import tensorflow as tf

    a = tf.random.stateless_normal((side, side), seed=(0, 0))
    product = tf.function(lambda: tf.matmul(a, a)[0, 0])
    return 2 * side**3 / _best(lambda: float(product()), repeats)


def memory_bandwidth(megabytes: int = 256, repeats: int = 5) -> float:
    """Best bytes per second of summing a float32 vector too big for caches."""
    import tensorflow as tf

    vector = tf.random.stateless_uniform((megabytes * 2**18,), seed=(0, 0))
    total = tf.function(tf.reduce_sum)
    return megabytes * 2**20 / _best(lambda: float(total(vector)), repeats)


def _best(call: Callable[[], Any], repeats: int) -> float:
    call()
    return min(_seconds(call) for _ in range(repeats))


def resident_peak() -> int:
    """Most bytes of memory that this process, or its GPU where it has one, has had so far."""
    import resource
    import sys

    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def machine() -> str:
    """`2 cores, AMD EPYC, 23 GiB`."""
    parts = [f"{os.cpu_count()} cores", _processor() or platform.machine()]
    if "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        parts.append(f"{memory / 2**30:.0f} GiB")
    return ", ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), "")
