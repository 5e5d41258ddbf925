"""What one epoch of the training loop does, recomputed step by step (D2L, utilities)."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from kerasref import data
from kerasref.data.pipeline import ArrayPipeline
from kerasref.harness import loop
from kerasref.harness.gradients import value_and_gradients


def one_epoch(examples: int = 320, rate: float = 0.1) -> dict[str, float]:
    """An epoch of the loop against plain gradient descent written out by hand.

    A perceptron with dropout on scikit-learn's digits, batches of 32, SGD without momentum, decay
    or schedule. Ledger D2L-U1, D2L-U6.

    Returns:
        `weight_error`, largest difference of a weight after the epoch; `loss_error` and
        `accuracy_error`, of the loop's figures from the means over the batches, each in training
        mode before its own step; `loss_change_on_reevaluation`, how much lower the loss on the same
        examples is after the epoch; `steps`.
    """
    images = data.load("digits", train=examples)
    train = ArrayPipeline(images.x_train, images.y_train, 32, shuffle=True)
    loss = keras.losses.SparseCategoricalCrossentropy()
    looped, by_hand = _perceptron(seed=7), _perceptron(seed=7)
    by_hand.set_weights(looped.get_weights())
    (row,) = loop.fit(
        looped,
        optimizer=keras.optimizers.SGD(rate),
        loss=loss,
        train=train,
        epochs=1,
        strategy=tf.distribute.get_strategy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )

    scaled, losses, hits = images.x_train / np.float32(255), [], []
    for indices in train.order(1)[0]:
        x, y = scaled[indices], images.y_train[indices]
        outputs = {}

        def cross_entropy(x=x, y=y, outputs=outputs):
            outputs["probabilities"] = by_hand(x, training=True)
            return loss(y, outputs["probabilities"])

        value, gradients = value_and_gradients(cross_entropy, by_hand.trainable_variables)
        losses.append(value)
        hits.append(np.argmax(outputs["probabilities"], axis=-1) == y)
        for weight, gradient in zip(by_hand.trainable_variables, gradients, strict=True):
            weight.assign(np.asarray(weight) - rate * gradient)
    after = float(loss(images.y_train, looped(scaled, training=False)))
    pairs = zip(looped.trainable_variables, by_hand.trainable_variables, strict=True)
    return {
        "weight_error": max(np.abs(np.asarray(a) - np.asarray(b)).max() for a, b in pairs),
        "loss_error": abs(row["train_loss"] - np.mean(losses)),
        "accuracy_error": abs(row["train_accuracy"] - np.mean(hits)),
        "loss_change_on_reevaluation": row["train_loss"] - after,
        "steps": len(losses),
    }


def training_flag() -> dict[str, float]:
    """Batch normalisation and dropout in a model that is called with and without the flag.

    Ledger D2L-X13.

    Returns:
        `default_is_inference`, 1 if a call without `training` gives what `training=False` does;
        `change_with_flag`, mean change of the outputs with `training=True`; `statistics_moved_*`,
        how far one epoch moves the moving mean, in gradient descent without the flag
        (`by_default`) and in this project's loop (`by_loop`).
    """
    keras.utils.set_random_seed(0)
    images = data.load("digits", train=320)
    x = images.x_train / np.float32(255)
    model = _perceptron(seed=3, norm=True)
    plain = np.asarray(model(x))
    inference, training = (np.asarray(model(x, training=flag)) for flag in (False, True))

    def moved(update) -> float:
        model = _perceptron(seed=3, norm=True)
        update(model)
        return float(np.abs(np.asarray(model.get_layer("norm").moving_mean)).max())

    loss = keras.losses.SparseCategoricalCrossentropy()

    def by_default(model):
        for start in range(0, len(x), 32):
            batch = slice(start, start + 32)
            _, gradients = value_and_gradients(
                lambda batch=batch: loss(images.y_train[batch], model(x[batch])),
                model.trainable_variables,
            )
            keras.optimizers.SGD(0.1).apply(gradients, model.trainable_variables)

    def by_loop(model):
        loop.fit(
            model,
            optimizer=keras.optimizers.SGD(0.1),
            loss=loss,
            train=ArrayPipeline(images.x_train, images.y_train, 32, shuffle=True),
            epochs=1,
            strategy=tf.distribute.get_strategy(),
        )

    return {
        "default_is_inference": float(np.array_equal(plain, inference)),
        "change_with_flag": np.abs(training - inference).mean(),
        "statistics_moved_by_default": moved(by_default),
        "statistics_moved_by_loop": moved(by_loop),
    }


def batch_composition(examples: int = 256, batch_size: int = 16, epochs: int = 5):
    """Different batches, as sets of examples, that a few epochs contain. Ledger D2L-X12.

    Returns:
        `batches_per_epoch`; `batch_then_shuffle`, where tf.data makes batches before it
        shuffles; `shuffle_then_batch`, the other way round; `loop`, in this project's pipeline.
    """
    numbers = tf.data.Dataset.range(examples)
    pipelines = {
        "batch_then_shuffle": numbers.batch(batch_size).shuffle(examples, seed=0),
        "shuffle_then_batch": numbers.shuffle(examples, seed=0).batch(batch_size),
    }
    seen = {
        name: {
            frozenset(batch.tolist()) for _ in range(epochs) for batch in made.as_numpy_iterator()
        }
        for name, made in pipelines.items()
    }
    arrays = np.zeros((examples, 1), "uint8"), np.zeros(examples, "int32")
    ours = ArrayPipeline(*arrays, batch_size, shuffle=True)
    seen["loop"] = {
        frozenset(batch.tolist()) for epoch in range(epochs) for batch in ours.order(epoch)[0]
    }
    found = {name: float(len(batches)) for name, batches in seen.items()}
    return {"batches_per_epoch": examples / batch_size, **found}


def _perceptron(seed: int, norm: bool = False) -> keras.Model:
    initializers = [keras.initializers.GlorotUniform(seed=seed + layer) for layer in range(2)]
    hidden, output = (
        keras.layers.Dense(units, activation, kernel_initializer=initializer)
        for units, activation, initializer in zip(
            (32, 10), ("relu", "softmax"), initializers, strict=True
        )
    )
    between = [keras.layers.BatchNormalization(name="norm")] if norm else []
    flat = [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), hidden]
    return keras.Sequential([*flat, *between, keras.layers.Dropout(0.5, seed=seed), output])
