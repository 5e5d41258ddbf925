"""What a convolution responds to (dlnotes 1.1)."""

from __future__ import annotations

import keras
import numpy as np


def matched_filter(trials: int = 200, size: int = 5, image_size: int = 32) -> dict[str, float]:
    """A random kernel slides over an image of random patches of equal norm, one of them itself.

    By the Cauchy-Schwarz inequality no other patch of that norm gives a larger response.
    Ledger A1.1-13.

    Returns:
        `found`: share of trials whose largest response, over all patch positions, is at the
        patch shaped like the kernel; `response_error`: largest relative deviation of that
        response from the squared norm of the kernel.
    """
    rng = np.random.default_rng(0)
    side = image_size // size
    found, error = 0, 0.0
    for _ in range(trials):
        patches = rng.normal(size=(side, side, size, size))
        patches /= np.linalg.norm(patches, axis=(2, 3), keepdims=True)
        row, column = rng.integers(side, size=2)
        image = patches.transpose(0, 2, 1, 3).reshape(1, side * size, side * size, 1)
        kernel = patches[row, column].reshape(size, size, 1, 1)
        response = np.asarray(keras.ops.conv(image, kernel, strides=size, padding="valid"))
        response = response[0, :, :, 0]
        found += np.unravel_index(response.argmax(), response.shape) == (row, column)
        error = max(error, abs(response[row, column] - 1.0))
    return {"found": found / trials, "response_error": error}
