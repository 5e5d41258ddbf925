"""From a data configuration to what the training loop reads."""

from __future__ import annotations

from typing import Any, NamedTuple

from kerasref import data
from kerasref.tasks._config import DataConfig


class Inputs(NamedTuple):
    """Pipelines of one run.

    Attributes:
        train: training pipeline, shuffled by (seed, epoch).
        test: test pipeline, in order.
        train_in_order: the training images as a test pipeline; None where they are streamed.
        shape: `(height, width, channels)` of an image.
        classes: number of classes.
        fingerprint: content hash of the data used.
    """

    train: Any
    test: Any
    train_in_order: Any
    shape: tuple[int, int, int]
    classes: int
    fingerprint: str


def load(config: DataConfig, seed: int) -> Inputs:
    """Load the data of a run; `seed` shuffles the training set and chooses nothing else."""
    if data.SOURCES[config.source].kind == "stream":
        return _stream(config, seed)
    from kerasref.data.pipeline import ArrayPipeline

    images = data.load(config.source, config.train, config.test, config.image_size, config.channels)
    train = ArrayPipeline(
        images.x_train,
        images.y_train,
        config.batch_size,
        seed=seed,
        shuffle=True,
        scale=config.scale,
    )
    in_order = {
        "batch_size": config.batch_size,
        "shuffle": False,
        "scale": config.scale,
        "mean": train.mean,
        "std": train.std,
    }
    return Inputs(
        train,
        ArrayPipeline(images.x_test, images.y_test, **in_order),
        ArrayPipeline(images.x_train, images.y_train, **in_order),
        images.x_train.shape[1:],
        images.classes,
        images.fingerprint,
    )


def _stream(config: DataConfig, seed: int) -> Inputs:
    """ImageNet, read from disk as training goes on; all of it, whatever `train` and `test` say."""
    from kerasref.data.imagenet import ImageNetPipeline

    size = config.image_size or 224
    arguments = {"batch_size": config.batch_size, "image_size": size, "scale": config.scale}
    train = ImageNetPipeline("train", seed=seed, **arguments)
    test = ImageNetPipeline("test", seed=seed, **arguments)
    classes = data.SOURCES[config.source].classes
    return Inputs(train, test, None, (size, size, 3), classes, train.fingerprint)
