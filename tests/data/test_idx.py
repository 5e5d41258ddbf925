import gzip
from pathlib import Path

import numpy as np
import pytest

from kerasref.data import DataError, idx

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def read(files):
    return idx.read_published("fashion_mnist", files.directory)


def test_reads_arrays_from_gzip_files_and_from_decompressed_ones(tiny_fashion):
    name = "t10k-labels-idx1-ubyte"
    (tiny_fashion.directory / name).write_bytes(tiny_fashion.content(name))
    tiny_fashion.path(name).unlink()
    splits = read(tiny_fashion)
    for split, pair in tiny_fashion.arrays.items():
        for found, expected in zip(splits[split], pair, strict=True):
            np.testing.assert_array_equal(found, expected)


def truncate_archive(files):
    files.path(IMAGES).write_bytes(files.path(IMAGES).read_bytes()[:-100])


def flip_bit_of_archive(files):
    damaged = bytearray(files.path(IMAGES).read_bytes())
    damaged[len(damaged) // 2] ^= 4
    files.path(IMAGES).write_bytes(damaged)


def not_gzip(files):
    files.path(IMAGES).write_bytes(b"<html>404</html>")


def empty(files):
    files.path(IMAGES).write_bytes(b"")


def flip_bit_of_content(files):
    damaged = bytearray(files.content(IMAGES))
    damaged[1000] ^= 1
    files.write(IMAGES, bytes(damaged))


def shorten_content(files):
    files.write(IMAGES, files.content(IMAGES)[:-1])


def lengthen_content(files):
    files.write(IMAGES, files.content(IMAGES) + b"\0")


def other_shape(files):
    content = files.content(IMAGES)
    files.write(IMAGES, content[:8] + (14).to_bytes(4, "big") + content[12:])


def labels_for_images(files):
    files.path(IMAGES).write_bytes(files.path(LABELS).read_bytes())


def signed_type(files):
    content = files.content(IMAGES)
    files.write(IMAGES, content[:2] + b"\x09" + content[3:])


def missing(files):
    files.path(IMAGES).unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate_archive, "truncated, expected a complete gzip file of 9424 bytes"),
        (flip_bit_of_archive, "damaged, expected a gzip file"),
        (not_gzip, "damaged, expected a gzip file"),
        (empty, "expected IDX images"),
        (flip_bit_of_content, "content altered, expected decompressed SHA-256"),
        (shorten_content, "expected 9424 bytes of IDX images, found 9423"),
        (lengthen_content, "expected 9424 bytes of IDX images, found more"),
        (other_shape, r"expected images of shape \(12, 28, 28\), found \(12, 14, 28\)"),
        (labels_for_images, "expected IDX images .*, found labels"),
        (signed_type, "expected IDX images .*it begins with 0x00000903"),
        (missing, "needs train-images-idx3-ubyte.gz, expected four IDX files"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_damaged_file_is_named_with_what_was_expected(tiny_fashion, damage, said):
    damage(tiny_fashion)
    with pytest.raises(DataError, match=said) as caught:
        read(tiny_fashion)
    message = str(caught.value)
    assert IMAGES in message
    assert str(tiny_fashion.directory) in message
    assert "\n" not in message


def test_a_decompressed_file_is_checked_too(tiny_fashion):
    content = tiny_fashion.content(IMAGES)
    tiny_fashion.path(IMAGES).unlink()
    (tiny_fashion.directory / IMAGES).write_bytes(content[:-1])
    with pytest.raises(DataError, match="found 9423"):
        read(tiny_fashion)


def test_content_does_not_depend_on_the_gzip_header(tiny_fashion):
    content = tiny_fashion.content(IMAGES)
    tiny_fashion.path(IMAGES).write_bytes(gzip.compress(content, compresslevel=1, mtime=1))
    np.testing.assert_array_equal(read(tiny_fashion)["train"][0], tiny_fashion.arrays["train"][0])


@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="Debian package dataset-fashion-mnist not installed"
)
def test_the_checksums_are_those_of_fashion_mnist():
    splits = idx.read_published("fashion_mnist", DEBIAN)
    # Xiao et al. 2017, section 2: 7,000 images per class, 6,000 of them for training.
    assert np.bincount(splits["train"][1]).tolist() == [6000] * 10
    assert np.bincount(splits["test"][1]).tolist() == [1000] * 10
