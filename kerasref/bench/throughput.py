"""Training steps of builders against the networks of keras.applications that they mirror."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasref.bench.timing import alternate

BATCH, SIDE = 8, 224


def twins() -> dict[str, str]:
    """Name in `keras.applications` by builder, for every builder that names its twin."""
    from kerasref import models

    found = {name: getattr(models, name).twin for name in models.__all__}
    return {name: twin.builder for name, twin in found.items() if twin}


def compare(name: str) -> dict[str, Any]:
    """`race` of the builder `name`, which has a twin, against it; both with random weights."""
    import keras

    from kerasref import models
    from kerasref.harness import strategy

    strategy.start("one", threads=os.cpu_count())
    keras.utils.set_random_seed(0)
    shape = (SIDE, SIDE, 3)
    twin = twins()[name]
    ours = getattr(models, name)(input_shape=shape)
    theirs = getattr(keras.applications, twin)(weights=None, input_shape=shape)
    return {"twin": twin, **race(ours, theirs)}


def race(
    ours: Any, theirs: Any, *, batch: int = BATCH, repeats: int = 3, seconds: float = 40.0
) -> dict[str, Any]:
    """Seconds of alternating training steps of two networks on the same images.

    Args:
        ours: classifier `(batch, height, width, channels)` -> `(batch, classes)`.
        theirs: another one for the same images.
        batch: images in a step.
        repeats: least number of steps each, after one to warm up.
        seconds: steps go on until they have taken this long.

    Returns:
        `images` in a step, and the lists `seconds` and `twin_seconds`.
    """
    steps = {"ours": training_step(ours, batch), "theirs": training_step(theirs, batch)}
    times = alternate(steps, repeats=repeats, seconds=seconds)
    return {"images": batch, "seconds": times["ours"], "twin_seconds": times["theirs"]}


def training_step(model: Any, batch: int) -> Callable[[], float]:
    """One step of gradient descent on fixed random images, as a graph; returns the loss."""
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(batch, *model.input_shape[1:])).astype("float32"))
    y = tf.constant(rng.integers(0, model.output_shape[-1], batch))
    loss = keras.losses.SparseCategoricalCrossentropy()
    optimizer = keras.optimizers.SGD(1e-3)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return value

    return lambda: float(step())
