"""Task `check`: runs a demonstration from `kerasref.checks`; its numbers are the metrics."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError, did_you_mean
from kerasref.harness.spec import Strict

RESULTS_VERSION = 1


class Config(Strict):
    """`function` is `topic.name`: the function `name` of `kerasref/checks/<topic>.py`.

    A function that takes `seed` gets the run's seed.
    """

    function: str
    arguments: dict[str, Any] = {}


def preflight(config: Config) -> None:
    """Raises ConfigError for an unknown function or argument."""
    function = _function(config.function)
    known = [name for name in inspect.signature(function).parameters if name != "seed"]
    for name in config.arguments:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(
                f"{config.function} has no argument {name!r}{hint}", ("arguments", name)
            )


def run(config: Config, context: Context) -> dict[str, float]:
    """Calls the check; its numbers are the metrics."""
    context.start()
    function = _function(config.function)
    arguments = dict(config.arguments)
    if "seed" in inspect.signature(function).parameters:
        arguments["seed"] = context.seed
    return {name: float(value) for name, value in function(**arguments).items()}


def _function(dotted: str) -> Callable[..., dict[str, float]]:
    package = importlib.import_module("kerasref.checks")
    topics = [module.name for module in pkgutil.iter_modules(package.__path__)]
    topic, _, name = dotted.partition(".")
    if topic not in topics:
        raise ConfigError(f"no check topic {topic!r}{did_you_mean(topic, topics)}", ("function",))
    module = importlib.import_module(f"kerasref.checks.{topic}")
    names = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]
    if name not in names:
        hint = did_you_mean(name, names)
        raise ConfigError(f"checks/{topic}.py has no function {name!r}{hint}", ("function",))
    return getattr(module, name)
