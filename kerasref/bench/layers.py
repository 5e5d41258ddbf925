"""Layers against Keras's own."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasref.bench.timing import alternate


def grouped_convolution(repeats: int = 3) -> dict[str, float]:
    """Training step of a 3x3 convolution, 64 channels, 8 groups, 28x28, batch 8."""
    import keras

    from kerasref.layers import GroupedConv2D

    keras.utils.set_random_seed(0)
    arguments = {"filters": 64, "kernel_size": 3, "padding": "same", "groups": 8}
    contestants = {
        "ours": _training_step(GroupedConv2D(**arguments)),
        "keras": _training_step(keras.layers.Conv2D(**arguments)),
    }
    seconds = alternate(contestants, repeats=repeats)
    ours, theirs = (statistics.median(seconds[name]) for name in contestants)
    return {
        "grouped_conv_step_seconds": ours,
        "grouped_conv_keras_step_seconds": theirs,
        "grouped_conv_speedup": theirs / ours,
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
