"""Random crops, mirror images and scale jitter, as functions of seed, epoch and position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Augmentation:
    """Resizes, pads, crops and mirrors images, each by random numbers of its own.

    In this order: the shorter side is resized to a length drawn from `sides` (bilinear; averaged
    over the pixels covered when shrinking), zeros are put around, a crop is taken from a random
    place, and half of the images are mirrored. The middle of every range, which `CENTRE` draws,
    is the central crop of the middle size, not mirrored: what evaluation uses.

    Attributes:
        crop: side of the square that is cut out, in pixels; None keeps the images' size.
        sides: smallest and largest length of the shorter side in pixels (VGG's scale jitter:
            256 to 512 for crops of 224), or None for no resizing.
        pad: zeros on each side in pixels (He et al. 2016 on CIFAR-10: 4). They are zeros of the
            scaled values that enter the network.
        flip: whether to mirror left and right.

    Raises:
        ValueError: a number out of its range, or a crop larger than what it is taken from.

    Source: Simonyan & Zisserman 2015, section 3.1 (scale jitter); dlnotes 1.2, ledger A1.2-10.
    """

    crop: int | None = None
    sides: tuple[int, int] | None = None
    pad: int = 0
    flip: bool = False

    def __post_init__(self):
        if self.pad < 0:
            raise ValueError(f"pad={self.pad}: expected 0 or more")
        if self.crop is not None and self.crop < 1:
            raise ValueError(f"crop={self.crop}: expected at least 1")
        if self.sides is not None and not 1 <= self.sides[0] <= self.sides[1]:
            raise ValueError(f"sides={self.sides}: expected a smallest and a largest length")
        if self.sides and self.crop and self.crop > self.sides[0] + 2 * self.pad:
            raise ValueError(f"crop={self.crop}: larger than the smallest side, {self.sides[0]}")

    def __call__(self, x: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Augmented images.

        Args:
            x: float32 images `(batch, height, width, channels)`.
            draws: `(batch, DRAWS)` numbers from 0 to 1 without 1: for the length, the row, the
                column and the mirror.

        Returns:
            Images `(batch, crop, crop, channels)`.
        """
        height, width, channels = x.shape[1:]
        draws = tf.cast(draws, tf.float32)
        short = min(height, width)
        side = tf.fill(tf.shape(draws)[:1], short)
        if self.sides:
            side = self.sides[0] + _integer(draws[:, 0], self.sides[1] - self.sides[0] + 1)
        rows = self._window(height, short, side, draws[:, 1])
        columns = self._window(width, short, side, draws[:, 2])
        if self.flip:
            mirrored = draws[:, 3, None, None] > 0.5
            columns = tf.where(mirrored, tf.reverse(columns, [1]), columns)
        y = tf.einsum("brh,bhwc,bqw->brqc", rows, x, columns)
        return tf.ensure_shape(y, (None, self.crop or height, self.crop or width, channels))

    def _window(self, length, short, side, draw):
        """Weights `(batch, crop, length)` of source pixels in the pixels of the crop, on one axis.

        A pixel of the resized image averages over the source with a triangle of one pixel's
        half-width, source's or its own, whichever is longer.
        """
        crop = self.crop or length
        size = tf.cast(tf.round(side * length / short), tf.int32)
        if not self.sides and crop > length + 2 * self.pad:
            raise ValueError(f"crop={crop}: the images have {length} pixels")
        first = _integer(draw, size + 2 * self.pad - crop + 1) - self.pad
        pixel = first[:, None] + tf.range(crop)
        step = (length / size)[:, None]
        middle = (tf.cast(pixel, tf.float32) + 0.5) * tf.cast(step, tf.float32) - 0.5
        distance = tf.abs(middle[..., None] - tf.range(float(length)))
        reach = tf.maximum(tf.cast(step, tf.float32), 1.0)[..., None]
        weights = tf.maximum(1.0 - distance / reach, 0.0)
        inside = (pixel >= 0) & (pixel < size[:, None])
        total = tf.reduce_sum(weights, axis=-1, keepdims=True)
        return tf.where(inside[..., None], tf.math.divide_no_nan(weights, total), 0.0)


DRAWS = 4
"""Random numbers that one image takes."""

CENTRE = 0.5
"""The draw that gives the middle of each range."""


def draw(seed: int, epoch: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers `(*shape, DRAWS)` from 0 to 1 for the images of an epoch, float32.

    Those of a position in the epoch depend on `seed`, `epoch` and the position alone.
    """
    return np.random.default_rng([seed, epoch, 1]).random((*shape, DRAWS), "float32")


def _integer(draw, count):
    """Integers from 0 to `count` - 1, each as likely as the others."""
    scaled = tf.cast(tf.floor(draw * tf.cast(count, tf.float32)), tf.int32)
    return tf.minimum(scaled, tf.cast(count, tf.int32) - 1)
