"""How much of the gradient reaches the first layers of a deep network (dlnotes 1.1)."""

from __future__ import annotations

import keras
import numpy as np

from kerasref import data
from kerasref.harness.gradients import value_and_gradients


def by_depth(
    activation: str, depth: int, seed: int, init_scale: float = 1.0, units: int = 64
) -> dict[str, float]:
    """Gradient norms in an untrained multilayer perceptron on 256 scikit-learn digits.

    Ledger A1.1-4.

    Args:
        activation: of the hidden layers.
        depth: number of hidden layers.
        seed: of the initial weights and the choice of images.
        init_scale: multiplies Glorot's standard deviation; large values saturate tanh and sigmoid.
        units: width of the hidden layers.

    Returns:
        `gradient_ratio`, norm of the loss's gradient for the first hidden layer's kernel over that
        for the last one's, and its `log10_gradient_ratio`; `first_gradient`, `last_gradient`.
    """
    images = data.load("digits")
    chosen = np.random.default_rng(seed).permutation(len(images.x_train))[:256]
    x = (images.x_train[chosen].reshape(256, -1) / 255.0).astype("float32")
    initializer = keras.initializers.VarianceScaling(
        scale=init_scale**2, mode="fan_avg", distribution="uniform", seed=seed
    )
    hidden = [
        keras.layers.Dense(units, activation=activation, kernel_initializer=_fresh(initializer, n))
        for n in range(depth)
    ]
    top = keras.layers.Dense(10, activation="softmax", kernel_initializer=_fresh(initializer, -1))
    model = keras.Sequential([keras.layers.Input((x.shape[1],)), *hidden, top])
    loss = keras.losses.SparseCategoricalCrossentropy()
    _, gradients = value_and_gradients(
        lambda: loss(images.y_train[chosen], model(x)), [hidden[0].kernel, hidden[-1].kernel]
    )
    first, last = (float(np.linalg.norm(gradient)) for gradient in gradients)
    ratio = first / last if last else float("nan")
    return {
        "gradient_ratio": ratio,
        "log10_gradient_ratio": float(np.log10(ratio)) if ratio > 0 else float("-inf"),
        "first_gradient": first,
        "last_gradient": last,
    }


def _fresh(initializer: keras.initializers.VarianceScaling, layer: int):
    """The same initializer with a seed of its own for each layer."""
    config = initializer.get_config()
    return keras.initializers.VarianceScaling(**{**config, "seed": config["seed"] * 1000 + layer})
