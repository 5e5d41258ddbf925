"""Histograms of oriented gradients, a feature made by hand."""

from __future__ import annotations

import numpy as np


def hog(images: np.ndarray, cell: int = 4, bins: int = 9, block: int = 2) -> np.ndarray:
    """Histograms of oriented gradients of grey images.

    Gradients by the mask (-1, 0, 1) with edges repeated. Each pixel votes for the two nearest of
    `bins` unsigned orientations of its cell with its gradient's length. Overlapping blocks of
    cells are divided by their Euclidean norm, clipped at 0.2 and divided again.

    Args:
        images: `(n, height, width)`, any scale; what does not fill a cell is left out.
        cell: side of a cell in pixels.
        bins: orientations from 0 to 180 degrees.
        block: side of a block in cells.

    Returns:
        Features `(n, blocks down * blocks across * block * block * bins)`, float32.

    Raises:
        ValueError: images with fewer cells than one block.

    Source: Dalal & Triggs 2005, section 6; without their Gaussian window and interpolation between
    cells.
    """
    n, height, width = images.shape
    rows, columns = height // cell, width // cell
    if min(rows, columns) < block:
        raise ValueError(f"images of {height}x{width} have fewer than {block}x{block} cells")
    padded = np.pad(images.astype("float32"), ((0, 0), (1, 1), (1, 1)), mode="edge")
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    length = np.hypot(down, across)
    place = np.arctan2(down, across) / np.pi * bins - 0.5  # centre of bin b is at b
    low = np.floor(place)
    weight = place - low
    cells = np.zeros((n, rows, columns, bins), "float32")
    for orientation in range(bins):
        votes = length * (
            (low.astype(int) % bins == orientation) * (1 - weight)
            + ((low.astype(int) + 1) % bins == orientation) * weight
        )
        whole = votes[:, : rows * cell, : columns * cell]
        cells[..., orientation] = whole.reshape(n, rows, cell, columns, cell).sum(axis=(2, 4))
    windows = np.lib.stride_tricks.sliding_window_view(cells, (block, block), axis=(1, 2))
    blocks = np.moveaxis(windows, 3, -1).reshape(n, rows - block + 1, columns - block + 1, -1)
    clipped = np.minimum(_unit(blocks), 0.2)
    return _unit(clipped).reshape(n, -1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
