"""The IDX files in which MNIST and Fashion-MNIST are published, checked by content.

The checksums are of the *decompressed* files: archives differ between distributors (Debian's have
another gzip header), their content does not.
"""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasref.data.errors import DataError

# IDX: two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as
# big-endian uint32.
_HOLDS = {b"\0\0\x08\x03": "images", b"\0\0\x08\x01": "labels"}


@dataclass(frozen=True)
class IdxFile:
    """A published file: name without `.gz`, shape of its uint8 array, SHA-256 when decompressed."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def header(self) -> bytes:
        dimensions = b"".join(size.to_bytes(4, "big") for size in self.shape)
        return bytes((0, 0, 8, len(self.shape))) + dimensions


def _published(train_images, train_labels, test_images, test_labels):
    return {
        "train": (
            IdxFile("train-images-idx3-ubyte", (60_000, 28, 28), train_images),
            IdxFile("train-labels-idx1-ubyte", (60_000,), train_labels),
        ),
        "test": (
            IdxFile("t10k-images-idx3-ubyte", (10_000, 28, 28), test_images),
            IdxFile("t10k-labels-idx1-ubyte", (10_000,), test_labels),
        ),
    }


# Fashion-MNIST: computed from Debian's dataset-fashion-mnist 0.0~git20200523.55506a9-1; equal to
# what independent projects record for the publisher's files.
# MNIST: what independent projects record for the files of the CVDF mirror.
FILES = {
    "fashion_mnist": _published(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    "mnist": _published(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}


def read_published(name: str, directory) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Reads and checks the four files of a source in `directory`, each as `.gz` or decompressed.

    Args:
        name: `"mnist"` or `"fashion_mnist"`.
        directory: Where the files are.

    Returns:
        `{"train": (images, labels), "test": (images, labels)}`, uint8 `(n, 28, 28)` and `(n,)`.

    Raises:
        DataError: A file is missing, truncated, altered or another one than its name says.
    """
    directory = Path(directory)
    paths = {file: _find(directory, file) for pair in FILES[name].values() for file in pair}
    missing = [f"{file.name}.gz" for file, path in paths.items() if path is None]
    if missing:
        raise DataError(
            f"{directory}: {name} needs {', '.join(missing)}, expected four IDX files there"
        )
    return {
        split: tuple(_read(paths[file], file) for file in pair)
        for split, pair in FILES[name].items()
    }


def _find(directory, file):
    candidates = (directory / f"{file.name}.gz", directory / file.name)
    return next((path for path in candidates if path.is_file()), None)


def _read(path, file):
    content = _content(path, len(file.header) + int(np.prod(file.shape)))
    wanted = _HOLDS[file.header[:4]]
    if content[:4] != file.header[:4]:
        found = _HOLDS.get(content[:4], f"something else (it begins with 0x{content[:4].hex()})")
        raise DataError(
            f"{path}: expected IDX {wanted} (beginning with 0x{file.header[:4].hex()}),"
            f" found {found}"
        )
    if content[: len(file.header)] != file.header:
        words = np.frombuffer(
            content[4 : len(file.header)].ljust(len(file.header) - 4, b"\0"), ">u4"
        )
        raise DataError(
            f"{path}: expected {wanted} of shape {file.shape}, found {tuple(words.tolist())}"
        )
    expected = len(file.header) + int(np.prod(file.shape))
    if len(content) != expected:
        found = f"{len(content)}" if len(content) < expected else "more"
        raise DataError(f"{path}: expected {expected} bytes of IDX {wanted}, found {found}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise DataError(
            f"{path}: content altered, expected decompressed SHA-256 {file.sha256[:16]}...,"
            f" found {digest[:16]}..."
        )
    return np.frombuffer(content, "uint8", offset=len(file.header)).reshape(file.shape)


def _content(path, expected):
    """Decompressed bytes of `path`, at most one more than `expected`."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            return file.read(expected + 1)
    except EOFError:
        raise DataError(
            f"{path}: truncated, expected a complete gzip file of {expected} bytes"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}: damaged, expected a gzip file of {expected} bytes: {error}"
        ) from None
