"""ImageNet (ILSVRC 2012) read from disk, for `kerasref.harness.loop`."""

import hashlib
import math

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from kerasref.data.errors import DataError
from kerasref.data.sources import data_dir, find_source, is_available, prepared_dir

_NAME = "imagenet2012"
_TFDS_SPLITS = {"train": "train", "test": "validation"}
# What an image's values, 0..255, have subtracted and are divided by.
_SCALES = {"raw": (0.0, 1.0), "unit": (0.0, 255.0), "signed": (127.5, 127.5)}


class ImageNetPipeline:
    """Batches of ImageNet, the same for every number of replicas.

    Every image is resized so that its shorter side is `resize`, or of a length drawn from that
    range (Simonyan & Zisserman 2015, section 3.1). Training takes a random crop of it, mirrored
    half of the time (Krizhevsky et al. 2012, section 4.1, without the colour shift), evaluation
    the central crop. Order and augmentation in training depend on (`seed`, epoch,
    position in the epoch) alone. The last training images that do not fill a global batch are left
    out; the last evaluation batch is filled up with examples of weight 0.

    Every input pipeline reads all records and decodes those of its own replicas: the global batch
    does not depend on the number of workers, at the price of reading the files once per worker.

    Args:
        split: `"train"`, shuffled and augmented, or `"test"`, ImageNet's validation set in order.
        batch_size: Global batch size: the sum over all replicas.
        seed: Seed of order and augmentation.
        image_size: Side of the crop in pixels.
        resize: Shorter side before cropping in pixels, or for training the smallest and the
            largest, between which it is drawn.
        flip: Whether training mirrors half of the images.
        scale: `"raw"` (0..255), `"unit"` (0..1), `"signed"` (-1..1) or `"standard"` (minus `mean`,
            divided by `std`); float32 in each case.
        mean: For `"standard"`: number or one per channel, in units of 0..255.
        std: As `mean`, for the standard deviation.
        shuffle_buffer: Number of compressed training images, of about 110 kB each, among which the
            next one is drawn; the order of the files is shuffled as well.

    Attributes:
        steps: Global batches in an epoch.
        examples: Images in the split.
        fingerprint: First 16 hexadecimal digits of the SHA-256 of TensorFlow Datasets' record of
            the prepared data (version, files and their lengths), not of the images.

    Raises:
        DataError: ImageNet is not prepared.
        ValueError: An argument has no meaning.
    """

    def __init__(
        self,
        split,
        batch_size,
        *,
        seed=0,
        image_size=224,
        resize=256,
        flip=True,
        scale="unit",
        mean=None,
        std=None,
        shuffle_buffer=8192,
    ):
        if split not in _TFDS_SPLITS:
            raise ValueError(f"split={split!r}: expected one of {', '.join(_TFDS_SPLITS)}")
        sides = (resize, resize) if isinstance(resize, int) else tuple(resize)
        if not 1 <= image_size <= sides[0] <= sides[-1]:
            raise ValueError(f"image_size={image_size}: expected 1 to resize={resize}")
        if split != "train" and sides[0] != sides[-1]:
            raise ValueError(f"resize={resize}: only training draws a length")
        source = find_source(_NAME)
        if not is_available(_NAME):
            raise DataError(
                f"{_NAME} is not prepared in {data_dir()}: run `kerasref data prepare {_NAME}`"
            )
        self._builder = tfds.builder(f"{_NAME}:{source.version}", data_dir=data_dir())
        self.examples = self._builder.info.splits[_TFDS_SPLITS[split]].num_examples
        info = prepared_dir(source) / "dataset_info.json"
        self.fingerprint = hashlib.sha256(info.read_bytes()).hexdigest()[:16]
        self._training = split == "train"
        if batch_size < 1 or (self._training and batch_size > self.examples):
            raise ValueError(f"batch_size={batch_size}: expected 1 to {self.examples}")
        rounded = math.floor if self._training else math.ceil
        self.steps = rounded(self.examples / batch_size)
        self.batch_size = batch_size
        self._split, self._seed, self._size, self._sides = split, seed, image_size, sides
        self._flip = flip
        self._mean, self._std = _affine(scale, mean, std)
        self._shuffle_buffer = shuffle_buffer

    def dataset(self, epoch: int, context: "tf.distribute.InputContext") -> tf.data.Dataset:
        """Endless dataset of per-replica batches `(x, y, sample_weight)` from the epoch's first on.

        Args:
            epoch: Epoch number; it chooses order and augmentation.
            context: Which input pipeline of how many this process feeds.

        Raises:
            ValueError: `batch_size` is not a multiple of the number of replicas.
        """
        replicas = context.num_replicas_in_sync
        if self.batch_size % replicas:
            raise ValueError(
                f"batch_size={self.batch_size} cannot be divided among {replicas} replicas"
            )
        per_replica = self.batch_size // replicas
        local = replicas // context.num_input_pipelines

        def mine(position, _):
            replica = position % self.batch_size // per_replica
            return replica // local == context.input_pipeline_id

        seeds = np.random.SeedSequence([self._seed, epoch]).generate_state(3).astype("int32")
        data = self._records(int(seeds[0])).repeat().take(self.steps * self.batch_size)
        data = data.enumerate().filter(mine)
        data = data.map(
            lambda position, example: self._example(position, example, seeds[1:]),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        data = data.batch(per_replica, drop_remainder=True).repeat()
        return data.prefetch(2 * local).with_options(options)

    def _records(self, seed):
        """One pass over the split, images still compressed."""
        config = tfds.ReadConfig(shuffle_seed=seed, try_autocache=False)
        data = self._builder.as_dataset(
            split=_TFDS_SPLITS[self._split],
            shuffle_files=self._training,
            read_config=config,
            decoders={"image": tfds.decode.SkipDecoding()},
        )
        if self._training:
            data = data.shuffle(self._shuffle_buffer, seed, reshuffle_each_iteration=False)
        return data

    def _example(self, position, example, seed):
        image = tf.io.decode_image(example["image"], channels=3, expand_animations=False)
        side, largest = self._sides
        if self._training:
            key = tf.random.experimental.stateless_fold_in(seed, position)
            seeds = tf.random.split(key)
            if side < largest:
                length = tf.random.experimental.stateless_fold_in(key, 2)
                side = tf.random.stateless_uniform((), length, side, largest + 1, tf.int32)
            image = _resize_short_side(image, side)
            image = tf.image.stateless_random_crop(image, (self._size, self._size, 3), seeds[0])
            if self._flip:
                image = tf.image.stateless_random_flip_left_right(image, seeds[1])
        else:
            image = _resize_short_side(image, side)
            top, left = (
                (tf.shape(image)[0] - self._size) // 2,
                (tf.shape(image)[1] - self._size) // 2,
            )
            image = image[top : top + self._size, left : left + self._size]
        image = tf.ensure_shape((image - self._mean) / self._std, (self._size, self._size, 3))
        weight = tf.cast(position < self.examples, "float32")
        return image, tf.cast(example["label"], "int32"), weight


def _resize_short_side(image, side):
    shape = tf.cast(tf.shape(image)[:2], "float32")
    scale = tf.cast(side, "float32") / tf.reduce_min(shape)
    # At least `side`: rounding must not leave a crop of that size without room.
    size = tf.maximum(tf.cast(tf.round(shape * scale), "int32"), side)
    return tf.image.resize(image, size, "bilinear")


def _affine(scale, mean, std):
    if scale == "standard":
        if mean is None or std is None:
            raise ValueError("scale 'standard' of ImageNet needs mean and std, in units of 0..255")
        return np.asarray(mean, "float32"), np.asarray(std, "float32")
    if scale not in _SCALES:
        expected = ", ".join([*_SCALES, "standard"])
        raise ValueError(f"unknown scale {scale!r}: expected one of {expected}")
    return _SCALES[scale]
