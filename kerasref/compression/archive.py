"""The file of a compressed model: sparse kernels as Huffman-coded streams, the rest as it is.

Layout, integers little-endian: the magic bytes and a version; the length of the header (4 bytes);
the header, JSON packed with zlib; the payload; the SHA-256 of everything before it. The header
lists the model's weights in order. For a kernel the payload has its codebook (float32), then its
steps (`relative_index`) and its labels, each a Huffman-coded stream; for another weight its bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasref.compression import huffman, relative_index
from kerasref.compression.weight_sharing import Shared
from kerasref.harness import files

MAGIC = b"KRDC\x01"
_DIGEST = hashlib.sha256().digest_size


class ArchiveError(ValueError):
    """An archive that is damaged, or of another model; one line, naming the file."""


@dataclasses.dataclass(frozen=True)
class Streams:
    """A shared kernel, ready to be written.

    Attributes:
        codebook: shared values, float32.
        steps: relative indices of the entries.
        labels: their labels, 0 for those that fill a gap.
    """

    codebook: np.ndarray
    steps: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, shared: Shared, index_bits: int) -> Streams:
        return cls(shared.codebook, *relative_index.encode(shared.labels, index_bits))


def save(
    path: str | os.PathLike, model: keras.Model, shared: Mapping[str, Shared], index_bits: int
) -> None:
    """Write a model's weights to a file, which is never seen half written.

    Args:
        path: of the file.
        model: its weights other than the shared kernels are written as they are.
        shared: labels and codebook of kernels by path, as from `share_kernels`.
        index_bits: of a step from one weight that is not zero to the next, 1 to 16.

    Raises:
        ValueError: `index_bits` out of its range, or `shared` has no weight of the model.
        OSError: the file cannot be written.
    """
    files.replace(Path(path), pack(model, shared, index_bits))


def pack(model: keras.Model, shared: Mapping[str, Shared], index_bits: int) -> bytes:
    """What `save` writes."""
    unknown = set(shared) - {weight.path for weight in model.weights}
    if unknown:
        raise ValueError(f"{model.name} has no weight {min(unknown)!r}")
    rows, payload = [], []
    for weight in model.weights:
        row: dict[str, Any] = {"path": weight.path, "shape": list(weight.shape)}
        if weight.path in shared:
            row["shared"], parts = _pack_shared(Streams.of(shared[weight.path], index_bits))
            payload += parts
        else:
            values = ops.convert_to_numpy(weight)
            row["dtype"] = values.dtype.newbyteorder("<").str
            payload.append(values.astype(row["dtype"]).tobytes())
        rows.append(row)
    header = zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), 9)
    content = b"".join([MAGIC, len(header).to_bytes(4, "little"), header, *payload])
    return content + hashlib.sha256(content).digest()


def load(path: str | os.PathLike, model: keras.Model) -> None:
    """Give a model the weights of a file that `save` wrote.

    Args:
        path: of the file.
        model: of the same architecture; left alone where the file is wrong.

    Raises:
        ArchiveError: the file is damaged, or of a model with other weights.
        OSError: it cannot be read.
    """
    rows, payload = _open(Path(path))
    wanted = [(weight.path, list(weight.shape)) for weight in model.weights]
    for own, row in zip(wanted, rows, strict=False):
        if own != (row["path"], row["shape"]):
            raise ArchiveError(
                f"{path}: has {row['path']} {row['shape']} where {model.name} has {own[0]} {own[1]}"
            )
    if len(rows) != len(wanted):
        raise ArchiveError(f"{path}: has {len(rows)} weights, {model.name} has {len(wanted)}")
    try:
        values = list(_unpack(rows, payload))
    except ValueError as error:
        raise ArchiveError(f"{path}: {error}") from error
    for weight, value in zip(model.weights, values, strict=True):
        weight.assign(value)


def _pack_shared(streams: Streams) -> tuple[dict[str, Any], list[bytes]]:
    row: dict[str, Any] = {"values": len(streams.codebook), "entries": len(streams.steps)}
    parts = [streams.codebook.astype("<f4").tobytes()]
    for name in ("steps", "labels"):
        stream = getattr(streams, name)
        code = huffman.code_of(stream)
        parts.append(huffman.encode(stream, code))
        row[name] = [code.symbols, code.lengths, len(parts[-1])]
    return row, parts


def _open(path: Path) -> tuple[list[dict[str, Any]], memoryview]:
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        raise ArchiveError(f"{path}: is no archive of a compressed model")
    if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
        raise ArchiveError(f"{path}: is damaged or cut off; its checksum does not agree")
    start = len(MAGIC) + 4
    end = start + int.from_bytes(content[len(MAGIC) : start], "little")
    return json.loads(zlib.decompress(content[start:end])), memoryview(content)[end:-_DIGEST]


def _unpack(rows: list[dict[str, Any]], payload: memoryview) -> Iterator[np.ndarray]:
    place = 0

    def take(size: int) -> bytes:
        nonlocal place
        place += size
        return bytes(payload[place - size : place])

    for row in rows:
        size = math.prod(row["shape"])
        if "dtype" in row:
            dtype = np.dtype(row["dtype"])
            yield np.frombuffer(take(size * dtype.itemsize), dtype).reshape(row["shape"])
            continue
        shared = row["shared"]
        codebook = np.frombuffer(take(4 * shared["values"]), "<f4")
        steps, labels = (
            huffman.decode(take(length), shared["entries"], huffman.Code(*map(tuple, code)))
            for *code, length in (shared["steps"], shared["labels"])
        )
        flat = relative_index.decode(steps, labels, size)
        yield Shared(flat.reshape(row["shape"]), codebook).values()
