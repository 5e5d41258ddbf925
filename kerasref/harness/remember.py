"""Remembers what follows from files alone, for as long as none of them changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kerasref.harness import files

_PACKAGE = Path(__file__).resolve().parents[1]


def remembered(place: Path, directories: Iterable[Path], compute: Callable[[], Any]) -> Any:
    """What `compute` returns, from the file `place` where nothing has changed since it was written.

    Args:
        place: a JSON file; one that is damaged or cannot be written is as good as none.
        directories: of the files that the result follows from, besides this package's own; by
            name, size and time of change.
        compute: gives something that JSON can hold.
    """
    key = _fingerprint([*directories, _PACKAGE])
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        before = json.loads(place.read_text(encoding="utf-8"))
        if before["key"] == key:
            return before["result"]
    result = compute()
    with contextlib.suppress(OSError):
        files.replace(place, json.dumps({"key": key, "result": result}).encode())
    return result


def _fingerprint(directories: Iterable[Path]) -> str:
    facts = [
        (str(path), status.st_size, status.st_mtime_ns)
        for directory in directories
        for path in sorted(directory.rglob("*"))
        if path.suffix != ".pyc" and path.is_file() and (status := path.stat())
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()
