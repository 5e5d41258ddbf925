"""What a task gets besides its configuration."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


def _ignore(*_args: Any) -> None:
    pass


@functools.cache
def _exempt_modules_from_collection() -> None:
    """Garbage is collected before every run: spare it the half a million objects of modules."""
    gc.collect()
    gc.freeze()


@dataclass
class Context:
    """Handed to `task.run(config, context)`.

    Attributes:
        seed: of this run.
        strategy: its name, see `harness.strategy.start`.
        threads: CPU threads of this run.
        compiled: whether TensorFlow compiles functions; for a few steps that takes longer than the
            steps themselves.
        checkpoint: file from which to resume and to which to save; None to keep nothing.
        log_epoch: called with (epoch, metrics); epoch counts from 1.
        progress: called with (done, total, unit) as work proceeds.
        tag: called with (name, text) for provenance, such as `data_fingerprint`.
    """

    seed: int
    strategy: str = "one"
    threads: int = 1
    compiled: bool = True
    checkpoint: Path | None = None
    log_epoch: Callable[[int, dict[str, float]], None] = field(default=_ignore)
    progress: Callable[[float, float, str], None] = field(default=_ignore)
    tag: Callable[[str, str], None] = field(default=_ignore)

    def start(self) -> tf.distribute.Strategy:
        """Start the strategy, forget what earlier runs of this process left behind, and seed."""
        import keras
        import tensorflow as tf

        from kerasref.harness import strategy as strategies

        strategy = strategies.start(self.strategy, self.threads)
        self.tag("device", strategies.describe(strategy))
        tf.config.run_functions_eagerly(not self.compiled)
        _exempt_modules_from_collection()
        keras.utils.clear_session()
        keras.config.set_dtype_policy("float32")
        keras.utils.set_random_seed(self.seed)
        return strategy
