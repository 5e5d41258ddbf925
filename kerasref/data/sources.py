"""The image sources experiments name, and where TensorFlow Datasets keeps them."""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from kerasref.data.errors import DataError


@dataclass(frozen=True)
class Source:
    """One source of labelled images.

    Attributes:
        name: Name in experiments, and of the TensorFlow Datasets builder.
        title: Name in print.
        classes: Number of classes.
        shape: `(height, width, channels)` of an image; `None` where it varies.
        train: Number of training examples.
        test: Number of test examples.
        kind: `"embedded"` (part of an installed package), `"memory"` (prepared by TensorFlow
            Datasets, loaded as arrays) or `"stream"` (prepared likewise, too large for memory).
        version: Version of the TensorFlow Datasets builder.
        url: Where TensorFlow Datasets downloads it; None where it cannot.
        debian_package: Debian package that holds the original files.
    """

    name: str
    title: str
    classes: int
    shape: tuple
    train: int
    test: int
    kind: str = "memory"
    version: str | None = None
    url: str | None = None
    debian_package: str | None = None


SOURCES = {
    source.name: source
    for source in (
        Source("digits", "scikit-learn digits", 10, (8, 8, 1), 1437, 360, kind="embedded"),
        Source(
            "mnist",
            "MNIST",
            10,
            (28, 28, 1),
            60_000,
            10_000,
            version="3.0.1",
            url="https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        Source(
            "fashion_mnist",
            "Fashion-MNIST",
            10,
            (28, 28, 1),
            60_000,
            10_000,
            version="3.0.1",
            url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            debian_package="dataset-fashion-mnist",
        ),
        Source(
            "cifar10",
            "CIFAR-10",
            10,
            (32, 32, 3),
            50_000,
            10_000,
            version="3.0.2",
            url="https://www.cs.toronto.edu/~kriz/cifar.html",
        ),
        Source(
            "imagenet2012",
            "ImageNet (ILSVRC 2012)",
            1000,
            (None, None, 3),
            1_281_167,
            50_000,
            kind="stream",
            version="5.1.0",
        ),
    )
}


def find_source(name: str) -> Source:
    """Returns the source called `name`; raises DataError with the nearest name otherwise."""
    if name in SOURCES:
        return SOURCES[name]
    near = difflib.get_close_matches(name, SOURCES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(SOURCES)}"
    raise DataError(f"no data source {name!r}; {hint}")


def data_dir() -> Path:
    """Directory of prepared data: `$KERASREF_DATA`, else `$TFDS_DATA_DIR`, else TFDS's default."""
    chosen = os.environ.get("KERASREF_DATA") or os.environ.get("TFDS_DATA_DIR")
    return Path(chosen or "~/tensorflow_datasets").expanduser()


def prepared_dir(source: Source) -> Path:
    """Directory in which TensorFlow Datasets keeps `source` once it is prepared."""
    return data_dir() / source.name / source.version


def is_available(name: str) -> bool:
    """Whether `name` can be loaded now, with no download and no preparation.

    Raises:
        DataError: `name` is no source.
    """
    source = find_source(name)
    return source.kind == "embedded" or (prepared_dir(source) / "dataset_info.json").is_file()


def listing() -> list[dict]:
    """Every source: its size, whether it is here, and where it is or comes from."""
    return [_row(source) for source in SOURCES.values()]


def _row(source):
    if source.kind == "embedded":
        state, where = "embedded", "scikit-learn"
    elif is_available(source.name):
        state, where = "prepared", prepared_dir(source)
    else:
        state, where = "not prepared", source.url or "https://image-net.org (by hand)"
    return {
        "name": source.name,
        "title": source.title,
        "classes": source.classes,
        "shape": "x".join("?" if size is None else str(size) for size in source.shape),
        "train": source.train,
        "test": source.test,
        "state": state,
        "where": str(where),
    }
