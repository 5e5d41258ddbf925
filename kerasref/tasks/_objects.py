"""Keras objects from configuration, with errors that name the key."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from kerasref.harness.errors import ConfigError, did_you_mean
from kerasref.tasks._config import ModelConfig, Named


def builder(config: ModelConfig) -> Callable[..., Any]:
    """The builder that `config` names.

    Raises:
        ConfigError: unknown builder or argument, with the nearest right spelling.
    """
    from kerasref import models

    if config.builder not in models.__all__:
        hint = did_you_mean(config.builder, models.__all__)
        raise ConfigError(f"no builder {config.builder!r}{hint}", ("model", "builder"))
    function = getattr(models, config.builder)
    _check_arguments(function, config.builder, config.arguments, ("model",))
    return function


def build(config: ModelConfig, **defaults: Any) -> Any:
    """Build the model; `defaults` are arguments that `config` may override."""
    function = builder(config)
    try:
        return function(**{**defaults, **config.arguments})
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error).splitlines()[0], ("model",)) from error


def optimizer(config: Named) -> Any:
    """A `keras.optimizers` object; its learning rate may be a schedule given as a mapping."""
    import keras

    arguments = config.arguments
    rate = arguments.get("learning_rate")
    if isinstance(rate, dict):
        key = ("train", "optimizer", "learning_rate")
        if not isinstance(rate.get("name"), str):
            raise ConfigError("a schedule needs a name, such as CosineDecay", key)
        schedule = Named(**rate)
        arguments["learning_rate"] = _make(
            keras.optimizers.schedules,
            schedule.name,
            schedule.arguments,
            key,
            keras.optimizers.schedules.LearningRateSchedule,
        )
    base = keras.optimizers.Optimizer
    return _make(keras.optimizers, config.name, arguments, ("train", "optimizer"), base)


def callbacks(configs: list[Named]) -> list[Any]:
    """Objects of `keras.callbacks`, or of `kerasref.callbacks`."""
    import keras

    from kerasref import callbacks as own

    return [
        _make(
            own if config.name in own.__all__ else keras.callbacks,
            config.name,
            config.arguments,
            ("train", "callbacks", str(number)),
            keras.callbacks.Callback,
        )
        for number, config in enumerate(configs)
    ]


def _make(module: Any, name: str, arguments: dict, key: tuple[str, ...], base: type) -> Any:
    known = [
        n
        for n, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base)
    ]
    if name not in known:
        raise ConfigError(f"{module.__name__} has no {name!r}{did_you_mean(name, known)}", key)
    made = getattr(module, name)
    _check_arguments(made, name, arguments, key)
    try:
        return made(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error).splitlines()[0], key) from error


def _check_arguments(function: Any, name: str, arguments: dict, key: tuple[str, ...]) -> None:
    parameters = inspect.signature(function).parameters
    named = {n for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    for argument in arguments:
        if argument not in named:
            hint = did_you_mean(argument, named)
            raise ConfigError(f"{name} has no argument {argument!r}{hint}", (*key, argument))
