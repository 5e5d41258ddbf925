"""From an experiment to its runs: base -> variant -> profile -> command line, times seeds."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import importlib
import json
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
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

    @functools.cached_property
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
    """Names of the tasks there are."""
    return _task_names(tuple(importlib.import_module("kerasref.tasks").__path__))


@functools.cache
def _task_names(directories: tuple[str, ...]) -> list[str]:
    names = [module.name for module in pkgutil.iter_modules(directories)]
    return [name for name in names if not name.startswith("_")]


def task_module(name: str) -> ModuleType:
    """The task's module: `Config`, `run(config, context)`, `RESULTS_VERSION`.

    Optional: `alternatives(config)` lists the configuration and its fallbacks, in order of
    preference; `available(config)` says whether what it needs is there; `prepare(config)`
    fetches it; `preflight(config)` finds mistakes that only a started backend can see;
    `EXCLUSIVE = True` marks a task that measures speed: its runs come last, one at a time, each in
    a new process with all cores. At smoke they run like any other.
    """
    if name not in task_names():
        raise ConfigError(f"no task {name!r}" + did_you_mean(name, task_names()))
    return importlib.import_module(f"kerasref.tasks.{name}")


def alternatives(experiment: spec.Experiment, options: Options) -> list[list[Run]]:
    """All runs of an experiment, once for each data source it may use, best first.

    Raises:
        ConfigError: a wrong setting; two variants with the same settings.
    """
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
        if len(choices) != len(plans):
            raise layers.error(
                "every variant needs the same number of fallbacks", ("data", "fallback")
            )
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
    for plan in plans:
        _check_distinct(experiment, plan)
    return plans


def _check_distinct(experiment: spec.Experiment, runs: list[Run]) -> None:
    """Runs with the same hash are one run, and a comparison of its variants would be empty."""
    first: dict[str, Run] = {}
    for run in runs:
        other = first.setdefault(run.hash, run)
        if other is not run:
            raise experiment.error(
                f"has the same settings as variant {other.variant!r} at profile {run.profile!r}",
                "variants",
                run.variant,
            )


def share_out(experiments: list[spec.Experiment], options: Options) -> dict[str, Options]:
    """Each experiment's options by its id: overrides go where the task has such a setting.

    Raises:
        ConfigError: an override of which no experiment has the first key.
    """
    shared, unused, known = {}, dict.fromkeys(options.overrides), set()
    for experiment in experiments:
        keys = {"seeds", *task_module(experiment.task).Config.model_fields}
        known |= keys
        mine = [text for text in options.overrides if parse_override(text)[0].split(".")[0] in keys]
        shared[experiment.id] = dataclasses.replace(options, overrides=tuple(mine))
        unused = {text: None for text in unused if text not in mine}
    for text in unused:
        first = parse_override(text)[0].split(".")[0]
        raise ConfigError(
            f"--set {text}: no experiment chosen has {first!r}{did_you_mean(first, known)}"
        )
    return shared


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
    raise _Layers(experiment, missing.variant, options).error(
        f"data set {source!r} is not prepared; run `kerasref data prepare {source}`, "
        "or name a fallback such as `fallback: digits`",
        ("data", "source"),
    )


def _available(run: Run) -> bool:
    check = getattr(task_module(run.task), "available", None)
    return check is None or check(run.settings)


def prepare_data(experiments: Iterable[spec.Experiment], options: dict[str, Options]) -> list[str]:
    """Try to prepare every data set that the runs ask for; says what could not be had."""
    problems: dict[str, str] = {}
    for experiment in experiments:
        for run in (alternatives(experiment, options[experiment.id]) or [[]])[0]:
            prepare = getattr(task_module(run.task), "prepare", None)
            if prepare and run.data not in problems and not _available(run):
                problems[run.data] = prepare(run.settings)
    return [problem for problem in problems.values() if problem]


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
        self.origin: dict[tuple[str, ...], tuple[str, ...] | str] = {}
        self._lay(experiment.base, ("base",))
        self._lay(experiment.variants[variant] or {}, ("variants", variant))
        self._lay(experiment.profiles.get(options.profile) or {}, ("profiles", options.profile))
        for text in options.overrides:
            key, value = parse_override(text)
            self._set(tuple(key.split(".")), value, f"{experiment.id}: --set {text}")

    def _lay(self, layer: dict[str, Any], place: tuple[str, ...]) -> None:
        for key, value in layer.items():
            self._set(tuple(key.split(".")), value, (*place, key))

    def _set(self, key: tuple[str, ...], value: Any, place: tuple[str, ...] | str) -> None:
        """Set a value, merging mappings; `place` is its key in the file, or what the user typed."""
        target = self.settings
        for depth, part in enumerate(key[:-1], start=1):
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                problem = f"{'.'.join(key[:depth])} is not a mapping"
                raise ConfigError(problem, key, self._where(place))
        self.origin[key] = place
        if not isinstance(value, dict):
            target[key[-1]] = copy.deepcopy(value)
            return
        if not isinstance(target.get(key[-1]), dict):
            target[key[-1]] = {}
        for name, part in value.items():
            inner = place if isinstance(place, str) else (*place, name)
            self._set((*key, *name.split(".")), part, inner)

    def _where(self, place: tuple[str, ...] | str) -> str:
        return place if isinstance(place, str) else self.experiment.where(*place)

    def error(self, message: str, key: tuple[str, ...]) -> ConfigError:
        """An error at `key`, located where the setting, or else a part of it, got its value."""
        prefixes = [key[:n] for n in range(len(key), 0, -1) if key[:n] in self.origin]
        parts = [known for known in self.origin if known[: len(key)] == key]
        places = [self.origin[known] for known in [*prefixes, *parts]]
        return ConfigError(
            message, key, self._where(places[0] if places else ("variants", self.variant))
        )

    def validated(self, config: type[BaseModel]) -> BaseModel:
        settings = {key: value for key, value in self.settings.items() if key != "seeds"}
        try:
            return config.model_validate(settings)
        except ValidationError as failure:
            explained = spec.explain(failure, config, settings)
            raise self.error(explained.message, explained.key) from None


def planned_seeds(experiment: spec.Experiment, variant: str, profile: str) -> list[int]:
    """The seeds with which the file has a variant run at a profile."""
    options = Options(profile)
    return _seeds(_Layers(experiment, variant, options), options)


def _seeds(layers: _Layers, options: Options) -> list[int]:
    seeds = options.seeds if options.seeds is not None else layers.settings.get("seeds", 1)
    if type(seeds) is int and seeds >= 1:
        return list(range(seeds))
    if (
        isinstance(seeds, list)
        and seeds
        and all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)
        and len(set(seeds)) == len(seeds)
    ):
        return seeds
    raise layers.error(
        f"a number of seeds (at least 1) or a list of distinct seeds from 0 (got {seeds!r})",
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
    return key.strip(), yaml_lines.value(value, f"--set {text}")
