"""Batches of in-memory arrays for the training loop, the same for every number of replicas.

Global batch s of an epoch is the same set of examples whatever the strategy: replica r computes
the r-th contiguous slice of it. Epochs are permutations drawn from (seed, epoch) alone, so that a
resumed run sees the batches it would have seen.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from kerasref.data.augment import CENTRE, DRAWS, Augmentation, draw

SCALES = ("raw", "unit", "signed", "standard")


class ArrayPipeline:
    """Pipeline over arrays that fit in memory (`kerasref.harness.loop.Pipeline`).

    With `shuffle`, the examples that do not fill the last global batch are left out of the epoch
    (other ones each time). Without, each example comes once and in order, and the last batch
    is filled up with examples of weight 0.

    Args:
        x: inputs, `(examples, ...)`; kept in their own type, usually uint8, and made float32 by
            the batch.
        y: targets, `(examples, ...)`.
        batch_size: examples in a global batch, over all replicas.
        seed: seed of the permutations.
        shuffle: True for training, False for evaluation.
        scale: `"raw"` (values as they are), `"unit"` (0..255 to 0..1), `"signed"` (0..255 to -1..1)
            or `"standard"` (minus `mean`, divided by `std`).
        mean: for `"standard"`: what broadcasts to one example, in the units of `x`; None for the
            mean of `x`. A test set takes its training set's (`train.mean`).
        std: likewise, the standard deviation.
        augment: what happens to the scaled images, by random numbers of (seed, epoch, position in
            the epoch) in training; evaluation takes the middle of each range.

    Raises:
        ValueError: no examples, lengths that differ, a batch larger than the training set,
            an unknown scale or a standard deviation of 0.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool,
        scale: str = "unit",
        mean: float | np.ndarray | None = None,
        std: float | np.ndarray | None = None,
        augment: Augmentation | None = None,
    ):
        self.examples, self.batch_size = len(x), batch_size
        if self.examples == 0 or self.examples != len(y):
            raise ValueError(f"x has {len(x)} examples, y has {len(y)}: expected equal, not 0")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: expected at least 1")
        if shuffle and batch_size > self.examples:
            raise ValueError(f"batch_size={batch_size}: there are {self.examples} examples")
        if scale not in SCALES:
            raise ValueError(f"scale={scale!r}: expected one of {', '.join(SCALES)}")
        batches = self.examples / batch_size
        self.steps = math.floor(batches) if shuffle else math.ceil(batches)
        self.mean = self.std = None
        if scale == "standard":
            self.mean = np.asarray(x.mean(dtype="float64") if mean is None else mean, "float32")
            self.std = np.asarray(x.std(dtype="float64") if std is None else std, "float32")
            if not np.all(self.std > 0):
                raise ValueError(f"std={self.std}: expected positive numbers")
        self._seed, self._shuffle, self._scale = seed, shuffle, scale
        self._augment = augment
        # On the host and once: the dataset of an epoch only gathers from them.
        with tf.device("/cpu:0"):
            self._x, self._y = tf.constant(x), tf.constant(y)

    def order(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices and weights of the examples of one epoch, each `(steps, batch_size)`."""
        shape = (self.steps, self.batch_size)
        size = self.steps * self.batch_size
        if self._shuffle:
            rng = np.random.default_rng([self._seed, epoch])
            return rng.permutation(self.examples)[:size].reshape(shape), np.ones(shape, "float32")
        indices = np.arange(size)
        real = indices < self.examples
        return np.where(real, indices, 0).reshape(shape), real.astype("float32").reshape(shape)

    def dataset(self, epoch: int, context: tf.distribute.InputContext) -> tf.data.Dataset:
        """Batches `(x, y, sample_weight)` for the replicas of one process.

        Args:
            epoch: chooses the permutation.
            context: how many replicas and processes there are, and which process this is.

        Raises:
            ValueError: `batch_size` is no multiple of the number of replicas.
        """
        replicas = context.num_replicas_in_sync
        if self.batch_size % replicas:
            raise ValueError(f"batch_size={self.batch_size}: not divisible by {replicas} replicas")
        local = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * local
        parts = [*self.order(epoch), *self._draws(epoch)]
        for number, part in enumerate(parts):
            mine = part.reshape(self.steps, replicas, -1, *part.shape[2:])[:, first : first + local]
            parts[number] = mine.reshape(self.steps * local, -1, *part.shape[2:])
        data = tf.data.Dataset.from_tensor_slices(tuple(parts)).map(self._batch)
        # Endless, because workers ask each other before every step whether finite data goes on.
        return data.repeat().prefetch(2 * local)

    def inputs(self, examples: int) -> np.ndarray:
        """The first `examples` inputs (or all there are), scaled as in a batch: float32."""
        count = min(examples, self.examples)
        draws = [_central(count)] if self._augment else []
        return self._batch(np.arange(count), np.ones(count, "float32"), *draws)[0].numpy()

    def _draws(self, epoch):
        """The augmentation's random numbers, `(steps, batch_size, DRAWS)`; none without one."""
        if not self._augment:
            return []
        shape = (self.steps, self.batch_size)
        return [draw(self._seed, epoch, shape) if self._shuffle else _central(*shape)]

    def _batch(self, indices, weights, draws=None):
        x = tf.cast(tf.gather(self._x, indices), tf.float32)
        if self._scale == "unit":
            x = x / 255.0
        elif self._scale == "signed":
            x = x / 127.5 - 1.0
        elif self._scale == "standard":
            x = (x - self.mean) / self.std
        if self._augment:
            x = self._augment(x, draws)
        return x, tf.gather(self._y, indices), weights


def _central(*shape):
    return np.full((*shape, DRAWS), CENTRE, "float32")
