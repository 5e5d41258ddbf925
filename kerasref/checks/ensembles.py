"""Dropout as an ensemble of sub-networks (dlnotes 1.3)."""

from __future__ import annotations

import itertools

import keras
import numpy as np

from kerasref.harness.gradients import value_and_gradients


def geometric_mean(rate: float = 0.3, inputs: int = 10, classes: int = 4) -> dict[str, float]:
    """Geometric mean of a softmax layer over all 2**inputs masks, against the scaled whole layer.

    Masks drop an input with probability `rate` and rescale nothing, as in the first description
    of dropout; at test time the inputs are multiplied instead. Ledger A1.3-1.

    Returns:
        `subnetworks`; `error`, largest distance between the normalised geometric mean of their
        probabilities and those of the layer whose inputs are multiplied by 1 - rate;
        `error_with_rate`, the same for a multiplication by `rate`; `best_factor`, the
        multiplication that fits the geometric mean best.
    """
    rng = np.random.default_rng(0)
    x, bias = rng.normal(size=inputs), rng.normal(size=classes)
    weights = rng.normal(size=(inputs, classes))
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=inputs)))
    kept = masks.sum(axis=1)
    chance = (1 - rate) ** kept * rate ** (inputs - kept)

    def probabilities(given: np.ndarray) -> np.ndarray:
        return np.asarray(keras.ops.softmax(given @ weights + bias))

    log_mean = chance @ np.log(probabilities(masks * x))
    mean = np.exp(log_mean) / np.exp(log_mean).sum()
    # Logits are known up to a constant: compare those of one class with the others'.
    effect = (x @ weights)[1:] - (x @ weights)[0]
    found = (log_mean - bias)[1:] - (log_mean - bias)[0]
    return {
        "subnetworks": len(masks),
        "error": np.abs(mean - probabilities((1 - rate) * x)).max(),
        "error_with_rate": np.abs(mean - probabilities(rate * x)).max(),
        "best_factor": (effect @ found) / (effect @ effect),
    }


def shared_weights(inputs: int = 8, classes: int = 3, steps: int = 200) -> dict[str, float]:
    """What training one member of the ensemble does to the others, with dropout and with bagging.

    One step of gradient descent trains one dropout mask's sub-network. Bagging's members have
    weights of their own. Ledger A1.3-1.

    Returns:
        `dropout_changed` and `bagging_changed`: shares of the other members, all masks that keep an
        input of the trained one and as many layers of equal weights, whose outputs changed;
        `distinct_masks`: share of `steps` calls of `keras.layers.Dropout` on 64 inputs
        that drew a mask not drawn before.
    """
    keras.utils.set_random_seed(0)
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=inputs)), "float32")
    rng = np.random.default_rng(0)
    x, trained = rng.normal(size=(1, inputs)).astype("float32"), len(masks) // 3
    shared = keras.layers.Dense(classes)
    before = np.asarray(shared(masks * x))
    bagged = [keras.layers.Dense(classes) for _ in masks]
    for layer in bagged:
        layer.build((None, inputs))
        layer.set_weights(shared.get_weights())
    _descend(shared, masks[trained] * x)
    _descend(bagged[trained], masks[trained] * x)
    touched = masks @ masks[trained] > 0
    touched[trained] = False
    after = np.asarray(shared(masks * x))
    alone = np.concatenate([np.asarray(m(mask * x)) for m, mask in zip(bagged, masks, strict=True)])

    def changed(outputs: np.ndarray) -> float:
        return float(np.mean(np.abs(outputs - before)[touched].max(axis=1) > 1e-5))

    dropout, ones = keras.layers.Dropout(0.5), np.ones((1, 64), "float32")
    drawn = {np.asarray(dropout(ones, training=True)).tobytes() for _ in range(steps)}
    return {
        "dropout_changed": changed(after),
        "bagging_changed": changed(alone),
        "distinct_masks": len(drawn) / steps,
    }


def _descend(layer: keras.layers.Dense, x: np.ndarray, rate: float = 0.1) -> None:
    """One step on the cross-entropy of class 0."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    _, (kernel, bias) = value_and_gradients(
        lambda: loss(np.array([0]), layer(x)), [layer.kernel, layer.bias]
    )
    layer.kernel.assign(np.asarray(layer.kernel) - rate * kernel)
    layer.bias.assign(np.asarray(layer.bias) - rate * bias)
