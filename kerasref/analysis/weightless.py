"""Models whose weights have shapes but no values, for counting."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import keras


def weightless(build: Callable[[], keras.Model]) -> keras.Model:
    """The model that `build()` returns, without memory for its weights or time to initialise them.

    For what follows from shapes alone, such as `counts`, at any size. The model cannot be called on
    numbers. Random seeds, layer names and policies of the caller stay as they are; inside, policies
    are Keras's defaults.

    Raises:
        Exception: whatever `build()` raises.
    """

    def without_values():
        with keras.StatelessScope(initialize_variables=False):
            return build()

    # Keras remembers weights without values, per thread, and would initialise them later.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(without_values).result()
