"""Signals and gradients in untrained residual and plain networks (dlnotes 1.4, D2L 7.6)."""

from __future__ import annotations

import keras
import numpy as np

from kerasref import data
from kerasref.harness.gradients import value_and_gradients
from kerasref.models import ResNetCIFAR


def untrained(
    depth: int,
    seed: int,
    shortcut: str | None = "identity",
    norm: str | None = "batch",
    init_scale: float = 1.0,
    width: int = 8,
) -> dict[str, float]:
    """How far images get forwards and gradients backwards, on 64 scikit-learn digits.

    Ledger A1.4-2, D2L-A41.

    Args:
        depth: of a `ResNetCIFAR`, 6n+2 with n of at least 2.
        seed: of the initial weights and the choice of images.
        shortcut: None for the plain network.
        norm: None for no normalisation.
        init_scale: multiplies the He-normal initial kernels of the convolutions.
        width: filters of the first stage.

    Returns:
        `log10_gradient_ratio`: of the norms of the loss's gradient for the first and last 3x3
        convolutions' kernels, and its `imbalance`, the absolute value; `first_gradient`;
        `kept`: cosine between the maps behind the first and the last unit of the first stage,
        both less their mean over the images.
    """
    images = data.load("digits")
    chosen = np.random.default_rng(seed).permutation(len(images.x_train))[:64]
    x = (images.x_train[chosen] / 255.0).astype("float32")
    keras.utils.set_random_seed(seed)
    model = ResNetCIFAR(
        depth=depth, width=width, shortcut=shortcut, norm=norm, input_shape=x.shape[1:]
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(layer.kernel * init_scale)
    units = (depth - 2) // 6
    kernels = [
        model.get_layer(name).kernel for name in ("conv1_conv", f"conv4_block{units}_2_conv")
    ]
    loss = keras.losses.SparseCategoricalCrossentropy()
    _, gradients = value_and_gradients(
        lambda: loss(images.y_train[chosen], model(x, training=True)), kernels
    )
    first, last = (float(np.linalg.norm(gradient)) for gradient in gradients)
    ratio = float(np.log10(first / last)) if first and last else float("-inf")

    maps = [model.get_layer(f"conv2_block{block}_out_act").output for block in (1, units)]
    early, late = (
        np.asarray(output, "float64") for output in keras.Model(model.input, maps)(x, training=True)
    )
    early, late = (output - output.mean(axis=0) for output in (early, late))
    product = np.linalg.norm(early) * np.linalg.norm(late)
    return {
        "log10_gradient_ratio": ratio,
        "imbalance": abs(ratio),
        "first_gradient": first,
        "kept": float(np.sum(early * late) / product) if product else 0.0,
    }
