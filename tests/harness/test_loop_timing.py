"""The loop costs no more than a hand-written one, and less than `fit`."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasref.data.pipeline import ArrayPipeline
from kerasref.harness import loop
from kerasref.harness import strategy as strategies

BATCH, STEPS, EPOCHS = 16, 100, 4
LOSS = keras.losses.SparseCategoricalCrossentropy()


def lenet():
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((28, 28, 1))])
    for filters in (6, 16):
        model.add(layers.Conv2D(filters, 5, activation="tanh"))
        model.add(layers.AveragePooling2D(2))
    model.add(layers.Flatten())
    for units in (120, 84):
        model.add(layers.Dense(units, activation="tanh"))
    model.add(layers.Dense(10, activation="softmax"))
    return model, keras.optimizers.SGD(0.01)


class Clock(keras.callbacks.Callback):
    """CPU seconds of each epoch; wall time depends on what else the machine does."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.process_time() - self.began)


def by_loop(x, y):
    model, optimizer = lenet()
    clock = Clock()
    loop.fit(
        model,
        optimizer=optimizer,
        loss=LOSS,
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        train=ArrayPipeline(x, y, BATCH, shuffle=True),
        epochs=EPOCHS,
        strategy=strategies.start("one"),
        callbacks=[clock],
    )
    return clock.seconds


def by_hand(x, y):
    model, optimizer = lenet()
    optimizer.build(model.trainable_variables)
    accuracy = keras.metrics.SparseCategoricalAccuracy()
    data = (
        tf.data.Dataset.from_tensor_slices((x, y))
        .shuffle(len(x))
        .batch(BATCH, drop_remainder=True)
        .map(lambda images, labels: (tf.cast(images, tf.float32) / 255.0, labels))
        .prefetch(2)
    )

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            prediction = model(images, training=True)
            value = LOSS(labels, prediction)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        accuracy.update_state(labels, prediction)
        return value

    clock = Clock()
    for epoch in range(EPOCHS):
        clock.on_epoch_begin(epoch)
        np.mean([step(images, labels) for images, labels in data])
        clock.on_epoch_end(epoch)
    return clock.seconds


def by_fit(x, y):
    model, optimizer = lenet()
    model.compile(optimizer, LOSS, metrics=["accuracy"])
    clock = Clock()
    x = x.astype("float32") / 255
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0, callbacks=[clock])
    return clock.seconds


@pytest.mark.timing
def test_overhead(race):
    strategies.start("one")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (BATCH * STEPS, 28, 28, 1), "uint8")
    y = rng.integers(0, 10, BATCH * STEPS, "int32")
    ways = {"ours": by_loop, "hand": by_hand, "fit": by_fit}
    race(
        lambda ours, hand, fit: ours < 1.1 * hand and ours < fit,
        rounds=4,
        **{name: lambda way=way: min(way(x, y)) for name, way in ways.items()},
    )
