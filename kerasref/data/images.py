"""Images of a source as numpy arrays."""

import functools
import hashlib
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kerasref.data.errors import DataError
from kerasref.data.sources import data_dir, find_source, is_available, prepared_dir

# Draws the split of sources that come without one. Changing it changes every result on them.
_SPLIT_SEED = 20220501


@dataclass(frozen=True)
class ImageData:
    """Labelled images in memory.

    Attributes:
        x_train: Training images, uint8 `(examples, height, width, channels)`, 0..255.
        y_train: Training labels, int32 `(examples,)`.
        x_test: Test images, as `x_train`.
        y_test: Test labels, as `y_train`.
        classes: Number of classes.
        source: Name of the source.
        fingerprint: What `fingerprint` gives for the four arrays.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int
    source: str
    fingerprint: str


def load(
    name: str,
    train: int | None = None,
    test: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    seed: int = 0,
) -> ImageData:
    """Loads a source that fits in memory.

    The examples of each split are put into a fixed random order, and the first `train` and `test`
    of them are taken: a smaller subset is part of every larger one, and classes are mixed.

    Args:
        name: A source of kind `"embedded"` or `"memory"`.
        train: Number of training examples. Defaults to all.
        test: Number of test examples. Defaults to all.
        image_size: Side, or `(height, width)`, to which images are resized (bilinear; when
            shrinking, averaged over the pixels covered). Defaults to the source's own size.
        channels: 3 repeats the channel of grey images. Defaults to the source's own number.
        seed: Draws the fixed order. It chooses the data: not the seed of a run.

    Raises:
        DataError: The source is unknown, not prepared, damaged or too large for memory, or has
            fewer examples or other channels than asked for.
    """
    source = find_source(name)
    if source.kind == "stream":
        raise DataError(
            f"{name} does not fit in memory: use kerasref.data.imagenet.ImageNetPipeline"
        )
    size = _checked_size(image_size, source)
    if channels not in (None, source.shape[-1]) and (source.shape[-1], channels) != (1, 3):
        raise DataError(
            f"{name} has {source.shape[-1]} channels: channels={channels} cannot be had"
        )
    counts = [_checked_count(name, *each) for each in _asked(source, train, test)]

    arrays = []
    for count, (x, y) in zip(counts, _read(source, data_dir()), strict=True):
        chosen = np.random.RandomState(seed).permutation(len(x))[:count]
        x = _resize(x[chosen], size)
        arrays += [
            np.repeat(x, channels, axis=-1) if channels and x.shape[-1] == 1 else x,
            y[chosen],
        ]
    return ImageData(*arrays, source.classes, name, fingerprint(*arrays))


def fingerprint(*arrays: np.ndarray) -> str:
    """First 16 hexadecimal digits of the SHA-256 over types, shapes and bytes of `arrays`."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:16]


def _asked(source, train, test):
    return ("train", train, source.train), ("test", test, source.test)


def _checked_count(name, split, asked, available):
    count = available if asked is None else asked
    if not 1 <= count <= available:
        raise DataError(f"{name}: {split}={asked}, expected 1 to {available} examples")
    return count


def _checked_size(image_size, source):
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if size is None:
        return source.shape[:2]
    if len(size) != 2 or min(size) < 1:
        raise DataError(f"image_size={image_size}: expected a positive side or (height, width)")
    return tuple(size)


def _resize(images, size):
    if images.shape[1:3] == size:
        return images
    # Pillow computes 8-bit images in integers: the same bytes on every machine.
    out = np.empty((len(images), *size, images.shape[-1]), "uint8")
    for source, target in zip(images, out, strict=True):
        picture = Image.fromarray(source.squeeze(-1) if source.shape[-1] == 1 else source)
        resized = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        target[:] = np.asarray(resized).reshape(target.shape)
    return out


@functools.lru_cache(maxsize=1)
def _read(source, directory):
    """Both splits, `((x, y), (x, y))`; kept, for a worker runs variant after variant on it."""
    splits = (
        _read_digits(source) if source.kind == "embedded" else _read_prepared(source, directory)
    )
    for array in (array for split in splits for array in split):
        array.flags.writeable = False
    return splits


def _read_digits(source):
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.rint(digits.images[..., None] * (255 / 16)).astype("uint8")
    y = digits.target.astype("int32")
    order = np.random.RandomState(_SPLIT_SEED).permutation(len(x))
    train, test = order[: source.train], order[source.train :]
    return (x[train], y[train]), (x[test], y[test])


def _read_prepared(source, directory):
    if not is_available(source.name):
        raise DataError(
            f"{source.name} is not prepared in {directory}:"
            f" run `kerasref data prepare {source.name}`"
        )
    import tensorflow_datasets as tfds

    place = prepared_dir(source)
    try:
        builder = tfds.builder(f"{source.name}:{source.version}", data_dir=directory)
        return tuple(
            _read_split(tfds, builder, split, count, source.shape)
            for split, count in (("train", source.train), ("test", source.test))
        )
    except (ImportError, MemoryError):
        raise
    # What else is raised depends on where the damage is: JSON, records, compressed images.
    except Exception as error:
        raise DataError(
            f"{source.name} in {place} is damaged, expected {source.train} training and"
            f" {source.test} test examples: {_reason(error)};"
            f" run `kerasref data prepare {source.name} --force`"
        ) from error


def _read_split(tfds, builder, split, count, shape):
    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    batches = builder.as_dataset(
        split=split, batch_size=1000, shuffle_files=False, read_config=config
    )
    x, y = np.empty((count, *shape), "uint8"), np.empty(count, "int32")
    filled = 0
    for batch in tfds.as_numpy(batches):
        end = filled + len(batch["label"])
        if end > count:
            raise DataError(f"split {split} has more than {count} examples")
        x[filled:end], y[filled:end] = batch["image"], batch["label"]
        filled = end
    if filled < count:
        raise DataError(f"split {split} has {filled} examples")
    return x, y


def _reason(error):
    """First line of an error's message, without TensorFlow's names of operations."""
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error)).strip()
    return text.partition("\n")[0] or type(error).__name__
