"""From an experiment to its runs: base -> variant -> profile -> command line, times seeds."""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from kerasref.harness import spec, yaml_lines
from kerasref.harness.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Run:
    """One variant x one seed x one profile.

    Attributes:
        config: resolved settings, as plain JSON values, without those left at their default.
        fallback_for: the data set asked for, where this run uses a fallback.
        book_data: the data set that the book used, if the experiment names it.
        ledger: ids of the ledger rows that the experiment speaks of.
    """

    experiment: str
    variant: str
    seed: int
    profile: str
    task: str
    config: dict[str, Any]
    strategy: str = "one"
    fallback_for: str = ""
    book_data: str = ""
    ledger: tuple[str, ...] = ()

    @cached_property
    def hash(self) -> str:
        """Content hash: of experiment, task version, configuration, seed and strategy."""
        content = {
            "experiment": self.experiment,
            "task": self.task,
            "results": task_module(self.task).RESULTS_VERSION,
            "config": self.config,
            "seed": self.seed,
            "strategy": self.strategy,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def data(self) -> str:
        """Name of the data source used; empty for a task without data."""
        return self.config.get("data", {}).get("source", "")

    @property
    def surrogate_for(self) -> str:
        """The data set that this run's data stands in for, or empty."""
        wanted = self.book_data or self.fallback_for
        return wanted if self.data and self.data != wanted else ""

    @property
    def name(self) -> str:
        return f"{self.variant} seed {self.seed}"

    @property
    def settings(self) -> BaseModel:
        """The validated configuration object that the task receives."""
        return task_module(self.task).Config.model_validate(self.config)

    def full_yaml(self) -> str:
        """The resolved configuration, defaults included, as YAML."""
        resolved = {
            "experiment": self.experiment,
            "variant": self.variant,
            "seed": self.seed,
            "profile": self.profile,
            "strategy": self.strategy,
            "task": self.task,
            **self.settings.model_dump(mode="json"),
        }
        return yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True)


@dataclass(frozen=True)
class Options:
    """What the command line adds to the files."""

    profile: str = spec.DEFAULT_PROFILE
    seeds: int | None = None
    strategy: str = "one"
    overrides: tuple[str, ...] = ()


def task_names() -> list[str]:
    package = importlib.import_module("kerasref.tasks")
    return [module.name for module in pkgutil.iter_modules(package.__path__)]


def task_module(name: str) -> ModuleType:
    """The task's module: `Config`, `run(config, context)`, `RESULTS_VERSION`.

    Optional: `alternatives(config)` lists the configuration and its fallbacks, in order of
    preference; `available(config)` says whether what it needs is there; `prepare(config)`
    fetches it; `preflight(config)` finds mistakes that only a started backend can see.
    """
    if name not in task_names():
        raise ConfigError(f"no task {name!r}" + did_you_mean(name, task_names()))
    return importlib.import_module(f"kerasref.tasks.{name}")


def alternatives(experiment: spec.Experiment, options: Options) -> list[list[Run]]:
    """All runs of an experiment, once for each data source it may use, best first."""
    if experiment.needs and spec.PROFILES.index(experiment.needs) > spec.PROFILES.index(
        options.profile
    ):
        return []
    try:
        module = task_module(experiment.task)
    except ConfigError as error:
        raise experiment.error(error.message, "task") from None
    plans: list[list[Run]] = []
    for variant in experiment.variants:
        layers = _Layers(experiment, variant, options)
        seeds = _seeds(layers, options)
        config = layers.validated(module.Config)
        choices = getattr(module, "alternatives", lambda config: [config])(config)
        plans = plans or [[] for _ in choices]
        for plan, choice in zip(plans, choices, strict=True):
            settings = choice.model_dump(mode="json", exclude_defaults=True)
            replaced = "" if choice is choices[0] else config.data.source
            plan += [
                Run(
                    experiment.id,
                    variant,
                    seed,
                    options.profile,
                    experiment.task,
                    settings,
                    options.strategy,
                    replaced,
                    experiment.source.data or "",
                    experiment.ledger_ids,
                )
                for seed in seeds
            ]
    return plans


def choose_available(experiment: spec.Experiment, options: Options) -> list[Run]:
    """The runs on the best data source that is there.

    Raises:
        ConfigError: none is.
    """
    plans = alternatives(experiment, options)
    for plan in plans:
        if all(_available(run) for run in plan):
            return plan
    if not plans:
        return []
    missing = next(run for run in plans[0] if not _available(run))
    source = missing.settings.data.source
    raise experiment.error(
        f"data set {source!r} is not prepared; run `kerasref data prepare {source}`, "
        "or name a fallback such as `fallback: digits`",
        "base",
        "data",
        "source",
    )


def _available(run: Run) -> bool:
    check = getattr(task_module(run.task), "available", None)
    return check is None or check(run.settings)


def prepare_data(experiments: Iterable[spec.Experiment], options: Options) -> list[str]:
    """Try to prepare every data set that the runs ask for; says what could not be had."""
    problems: dict[str, None] = {}
    for experiment in experiments:
        for run in (alternatives(experiment, options) or [[]])[0]:
            prepare = getattr(task_module(run.task), "prepare", None)
            if prepare and not _available(run) and (problem := prepare(run.settings)):
                problems[problem] = None
    return list(problems)


def locate(
    experiment: spec.Experiment, variant: str, options: Options, key: tuple[str, ...]
) -> str:
    """`file:line`, or the `--set` option, that gave a variant's setting its value."""
    return _Layers(experiment, variant, options).error("", key).where


class _Layers:
    """Settings laid over one another, remembering where each came from."""

    def __init__(self, experiment: spec.Experiment, variant: str, options: Options):
        self.experiment, self.variant = experiment, variant
        self.settings: dict[str, Any] = {}
        self.origin: dict[tuple[str, ...], str] = {}
        self._lay(experiment.base, ("base",))
        self._lay(experiment.variants[variant] or {}, ("variants", variant))
        self._lay(experiment.profiles.get(options.profile) or {}, ("profiles", options.profile))
        for text in options.overrides:
            key, value = parse_override(text)
            self._set(tuple(key.split(".")), value, f"--set {text}")

    def _lay(self, layer: dict[str, Any], place: tuple[str, ...]) -> None:
        for key, value in layer.items():
            self._set(tuple(str(key).split(".")), value, self.experiment.where(*place, str(key)))

    def _set(self, key: tuple[str, ...], value: Any, where: str) -> None:
        self.origin[key] = where
        target = self.settings
        for depth, part in enumerate(key[:-1], start=1):
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise ConfigError(f"{'.'.join(key[:depth])} is not a mapping", key, where)
        if isinstance(value, dict) and isinstance(target.get(key[-1]), dict):
            for name, inner in value.items():
                self._set((*key, *str(name).split(".")), inner, where)
        else:
            target[key[-1]] = copy.deepcopy(value)

    def error(self, message: str, key: tuple[str, ...]) -> ConfigError:
        known = [self.origin[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.origin]
        where = known[0] if known else self.experiment.where("variants", self.variant)
        return ConfigError(message, key, where)

    def validated(self, config: type[BaseModel]) -> BaseModel:
        settings = {key: value for key, value in self.settings.items() if key != "seeds"}
        try:
            return config.model_validate(settings)
        except ValidationError as failure:
            explained = spec.explain(failure, config)
            raise self.error(explained.message, explained.key) from None


def _seeds(layers: _Layers, options: Options) -> list[int]:
    seeds = options.seeds if options.seeds is not None else layers.settings.get("seeds", 1)
    if type(seeds) is int and seeds >= 1:
        return list(range(seeds))
    if (
        isinstance(seeds, list)
        and seeds
        and all(type(seed) is int for seed in seeds)
        and len(set(seeds)) == len(seeds)
    ):
        return seeds
    raise layers.error(
        f"seeds is a number of seeds (at least 1) or a list of distinct seeds (got {seeds!r})",
        ("seeds",),
    )


def parse_override(text: str) -> tuple[str, Any]:
    """`train.epochs=20` -> (`train.epochs`, 20); the value is YAML.

    Raises:
        ConfigError: not of the form key=value.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set wants key=value, such as train.epochs=20 (got {text!r})")
    try:
        return key.strip(), yaml_lines.scalar(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {text}: the value is not valid YAML") from None
