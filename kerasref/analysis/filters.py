"""What filters look like and what their maps tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


def neighbour_correlation(kernel: np.ndarray) -> float:
    """How much adjacent weights of a filter resemble each other, averaged over the filters.

    The mean product of weights that are neighbours in a row or column, over the filter's mean
    square: 0 on average for independent weights, 1 for a constant filter, -1 for a chessboard.

    Args:
        kernel: `(height, width, channels in, channels out)`, at least 2x2.

    Raises:
        ValueError: a window without neighbours.
    """
    if min(kernel.shape[:2]) < 2:
        raise ValueError(f"a window of {kernel.shape[0]}x{kernel.shape[1]} has no neighbours")
    products = np.concatenate(
        [
            (kernel[1:] * kernel[:-1]).reshape(-1, *kernel.shape[2:]),
            (kernel[:, 1:] * kernel[:, :-1]).reshape(-1, *kernel.shape[2:]),
        ]
    )
    return float(np.mean(products.mean(axis=0) / np.square(kernel).mean(axis=(0, 1))))


def class_share(model: keras.Model, x: Any, layer_names: Sequence[str]) -> dict[str, float]:
    """Share of the variance of each layer's channels that the predicted class explains.

    A channel's value for an image is its mean over positions; channels that never vary are left
    out. 0 where all classes excite a channel alike, 1 where each image of a class does the same.

    Args:
        model: functional classifier; of several outputs the first is the prediction.
        x: images, the batch first.
        layer_names: layers with channels last.
    """
    inside = keras.Model(
        model.inputs, [*(model.get_layer(name).output for name in layer_names), model.outputs[0]]
    )
    *outputs, predictions = (np.asarray(output) for output in inside.predict(x, verbose=0))
    labels = predictions.argmax(axis=-1)
    return {
        name: _explained(output.reshape(len(x), -1, output.shape[-1]).mean(axis=1), labels)
        for name, output in zip(layer_names, outputs, strict=True)
    }


def _explained(values: np.ndarray, labels: np.ndarray) -> float:
    values = values.astype("float64") - values.mean(axis=0, dtype="float64")
    whole = np.square(values).sum(axis=0)
    between = sum(
        np.square(values[labels == label].sum(axis=0)) / np.count_nonzero(labels == label)
        for label in np.unique(labels)
    )
    varies = whole > 1e-12
    return float(np.mean(between[varies] / whole[varies])) if varies.any() else float("nan")
