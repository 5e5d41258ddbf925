import dataclasses
import gzip
import hashlib

import numpy as np
import pytest

from kerasref.data import SOURCES, idx

COUNTS = {"train": 12, "test": 5}
NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def idx_bytes(array):
    sizes = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


class TinyFiles:
    """Four small IDX files that stand for the published ones, and how to damage them."""

    def __init__(self, directory):
        self.directory = directory
        rng = np.random.default_rng(5)
        self.arrays = {
            split: (
                rng.integers(0, 256, (count, 28, 28), "uint8"),
                rng.integers(0, 10, count, "uint8"),
            )
            for split, count in COUNTS.items()
        }
        for split, pair in self.arrays.items():
            for name, array in zip(NAMES[split], pair, strict=True):
                self.write(name, idx_bytes(array))

    def path(self, name):
        return self.directory / f"{name}.gz"

    def write(self, name, content):
        self.path(name).write_bytes(gzip.compress(content))

    def content(self, name):
        return gzip.decompress(self.path(name).read_bytes())

    def table(self):
        """What `idx.FILES` says of files like these."""
        return {
            split: tuple(
                idx.IdxFile(name, array.shape, hashlib.sha256(idx_bytes(array)).hexdigest())
                for name, array in zip(NAMES[split], pair, strict=True)
            )
            for split, pair in self.arrays.items()
        }


@pytest.fixture
def data_home(tmp_path, monkeypatch):
    """An empty data directory."""
    home = tmp_path / "data"
    monkeypatch.setenv("KERASREF_DATA", str(home))
    return home


@pytest.fixture
def tiny_fashion(tmp_path, monkeypatch):
    """Small files in the place of Fashion-MNIST's; no Debian package."""
    directory = tmp_path / "files"
    directory.mkdir()
    files = TinyFiles(directory)
    source = dataclasses.replace(SOURCES["fashion_mnist"], **COUNTS)
    monkeypatch.setitem(SOURCES, "fashion_mnist", source)
    monkeypatch.setitem(idx.FILES, "fashion_mnist", files.table())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return files
