"""Checks of layer and builder arguments that say what would have been right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def check_choice(argument: str, value: Any, choices: Iterable[Any]) -> Any:
    """Return `value` where it is one of `choices`.

    Raises:
        ValueError: it is not; the message names the nearest choice, or all of them.
    """
    choices = list(choices)
    if value in choices:
        return value
    near = difflib.get_close_matches(str(value), [c for c in choices if isinstance(c, str)], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(repr, choices))}"
    raise ValueError(f"`{argument}` cannot be {value!r}; {hint}")


def check_positive_integer(argument: str, value: Any) -> int:
    """Return `value` where it is an integer of at least 1.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{argument}` must be a positive integer, not {value!r}")
    return value
