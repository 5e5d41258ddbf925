"""One-file checkpoints of a training run: written atomically, verified when read.

A file is a SHA-256 digest and a pickle of everything the next epoch depends on: the variables of
the model (with the states of its seed generators) and of the optimizer, the history, and what
callbacks remember. A pickle runs code when loaded: trust a checkpoint as you trust the program.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import types
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

log = logging.getLogger(__name__)

_DIGEST = hashlib.sha256().digest_size


def save(
    path: Path,
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback],
    history: list[dict[str, float]],
) -> None:
    """Write the state of a run after `len(history)` epochs.

    A crash at any moment leaves either the older file or the new one. `model` is compiled.
    """
    state = {
        "model": _values(model.variables),
        "optimizer": _values(model.optimizer.variables),
        "stop_training": model.stop_training,
        "callbacks": [_state(callback) for callback in callbacks],
        "history": history,
    }
    payload = pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    with open(temporary, "wb") as file:
        file.write(hashlib.sha256(payload).digest())
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def restore(
    path: Path, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]
) -> list[dict[str, float]]:
    """Bring model, optimizer and callbacks to the state in `path`; returns the history so far.

    Without a file, the history is empty and nothing changes. So it is with a damaged file or that
    of another model, after a warning in the log.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    digest, payload = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(payload).digest() != digest:
        log.warning("%s: checkpoint is damaged; training starts from the beginning", path)
        return []
    state = pickle.loads(payload)
    variables = {"model": model.variables, "optimizer": model.optimizer.variables}
    if len(state["callbacks"]) != len(callbacks) or any(
        _shapes(state[part]) != _shapes(own) for part, own in variables.items()
    ):
        log.warning("%s: checkpoint of another model; training starts from the beginning", path)
        return []
    for part, own in variables.items():
        for variable, value in zip(own, state[part], strict=True):
            variable.assign(value)
    model.stop_training = state["stop_training"]
    for callback, attributes in zip(callbacks, state["callbacks"], strict=True):
        vars(callback).update(attributes)
    return state["history"]


def _values(variables) -> list[np.ndarray]:
    return [np.asarray(variable) for variable in variables]


def _shapes(values) -> list[tuple]:
    return [tuple(value.shape) for value in values]


def _state(callback) -> dict:
    """What a callback remembers; models, files and other objects stay as constructed.

    Functions belong to it: `monitor_op`, once set, also means that `min_delta` has got its sign.
    """
    return {name: value for name, value in vars(callback).items() if _is_plain(value)}


def _is_plain(value) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, types.FunctionType):  # pickled by name
        return value.__module__ != "__main__" and "<" not in value.__qualname__
    return value is None or isinstance(value, bool | int | float | str | np.number | np.ndarray)
