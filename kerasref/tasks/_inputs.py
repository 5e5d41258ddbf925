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
        whole: the test images as large as `augment` makes them, not cropped but to a square; None
            where they are not resized.
    """

    train: Any
    test: Any
    train_in_order: Any
    shape: tuple[int, int, int]
    classes: int
    fingerprint: str
    whole: Any = None


def one_pass(pipeline: Any) -> Any:
    """Every batch `(x, y, sample_weight)` of a test pipeline once, in order, for one replica."""
    import tensorflow as tf

    return pipeline.dataset(0, tf.distribute.InputContext(1, 0, 1)).take(pipeline.steps)


def load(config: DataConfig, seed: int) -> Inputs:
    """Load the data of a run; `seed` shuffles the training set and chooses nothing else."""
    if data.SOURCES[config.source].kind == "stream":
        return _stream(config, seed)
    from kerasref.data.augment import Augmentation
    from kerasref.data.pipeline import ArrayPipeline

    augment, size, side = config.augment, config.image_size, _side(config)
    images = data.load(
        config.source, config.train, config.test, None if side else size, config.channels
    )
    train = ArrayPipeline(
        images.x_train,
        images.y_train,
        config.batch_size,
        seed=seed,
        shuffle=True,
        scale=config.scale,
        augment=augment
        and Augmentation(
            crop=size if side else None,
            sides=augment.sides and tuple(augment.sides),
            pad=augment.pad,
            flip=augment.flip,
        ),
    )
    in_order = {
        "batch_size": config.batch_size,
        "shuffle": False,
        "scale": config.scale,
        "mean": train.mean,
        "std": train.std,
    }
    central = Augmentation(crop=size, sides=(side, side)) if side else None
    whole = Augmentation(crop=side, sides=(side, side)) if side else None
    test = (images.x_test, images.y_test)
    *shape, channels = images.x_train.shape[1:]
    return Inputs(
        train,
        ArrayPipeline(*test, **in_order, augment=central),
        ArrayPipeline(images.x_train, images.y_train, **in_order, augment=central),
        (size, size, channels) if side else (*shape, channels),
        images.classes,
        images.fingerprint,
        ArrayPipeline(*test, **in_order, augment=whole) if side else None,
    )


def _side(config: DataConfig) -> int | None:
    """The length to which test images are resized before cropping; None for no resizing."""
    return config.augment.evaluation_side if config.augment and config.augment.sides else None


def _stream(config: DataConfig, seed: int) -> Inputs:
    """ImageNet, read from disk as training goes on; all of it, whatever `train` and `test` say."""
    from kerasref.data.imagenet import ImageNetPipeline

    size, side = config.image_size or 224, _side(config)
    arguments = {"batch_size": config.batch_size, "scale": config.scale, "seed": seed}
    training, testing = {"image_size": size}, {"image_size": size}
    if config.augment:
        training["flip"] = config.augment.flip
    if side:
        training["resize"], testing["resize"] = tuple(config.augment.sides), side
    train = ImageNetPipeline("train", **arguments, **training)
    test = ImageNetPipeline("test", **arguments, **testing)
    whole = ImageNetPipeline("test", **arguments, image_size=side, resize=side) if side else None
    classes = data.SOURCES[config.source].classes
    return Inputs(train, test, None, (size, size, 3), classes, train.fingerprint, whole)
