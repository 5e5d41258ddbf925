"""Errors that are a user's to mend: one line, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KerasrefError(Exception):
    """What is wrong, where, and what would be right, in one line."""


class ConfigError(KerasrefError):
    """A wrong value in a configuration.

    Args:
        message: what is wrong and what would be right.
        key: path of the offending key, such as `("model", "norm")`. Whoever knows the file
            turns it into `file:line`.
        where: `file:line`, once known.
    """

    def __init__(self, message: str, key: tuple[str, ...] = (), where: str = ""):
        super().__init__(message, key, where)
        self.message, self.key, self.where = message, tuple(map(str, key)), where

    def __str__(self) -> str:
        dotted = ".".join(part if part.isprintable() else repr(part) for part in self.key)
        return ": ".join(part for part in (self.where, dotted, self.message) if part)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'norm'?"`, or the choices where nothing is near."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""
