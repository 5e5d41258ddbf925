"""Task `design_space`: draws networks from a space and trains them as task `classify` does."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

from pydantic import Field, field_validator

from kerasref import data
from kerasref.harness.context import Context
from kerasref.harness.errors import ConfigError, did_you_mean
from kerasref.harness.spec import Strict
from kerasref.search.design_space import SPACES, Net, Space
from kerasref.tasks import _objects, classify
from kerasref.tasks._config import DataConfig, ModelConfig, TrainConfig
from kerasref.tasks.classify import alternatives, available, prepare

__all__ = ["Config", "alternatives", "available", "preflight", "prepare", "run"]

RESULTS_VERSION = 1


class SpaceConfig(Strict):
    """A `kerasref.search.design_space.Space`; the same names and defaults."""

    name: str
    stages: int = Field(Space.stages, ge=1)
    max_depth: int = Field(Space.max_depth, ge=1)
    min_width: int = Field(Space.min_width, ge=1)
    max_width: int = Field(Space.max_width, ge=1)
    ratios: list[int] = Field(list(Space.ratios), min_length=1)
    group_widths: list[int] = Field(list(Space.group_widths), min_length=1)
    stem_channels: int = Field(Space.stem_channels, ge=1)
    budget: list[int] = Field(list(Space.budget), min_length=2, max_length=2)
    se_ratio: int | None = Field(Space.se_ratio, ge=1)

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in SPACES:
            raise ValueError(f"no design space {value!r}" + did_you_mean(value, SPACES))
        return value

    def space(self) -> Space:
        settings = self.model_dump()
        lists = {name: tuple(v) for name, v in settings.items() if isinstance(v, list)}
        return Space(**{**settings, **lists})


class Config(Strict):
    """`nets` networks are drawn from `space`, by the run's seed, and trained one after the other.

    `early` is the epoch whose ranking of the nets is compared with the last one's.
    """

    space: SpaceConfig
    data: DataConfig
    train: TrainConfig
    nets: int = Field(1, ge=1)
    early: int = Field(1, ge=1)


def preflight(config: Config) -> None:
    """Raises ConfigError for an unknown optimizer or callback, or a budget that no net meets."""
    _objects.optimizer(config.train.optimizer)
    _objects.callbacks(config.train.callbacks)
    draw(config, seed=0)


def draw(config: Config, seed: int) -> list[Net]:
    """The nets of a run.

    Raises:
        ConfigError: no net of the space meets the budget.
    """
    source = data.SOURCES[config.data.source]
    side = config.data.image_size or source.shape[0] or 224
    shape = (side, side, config.data.channels or source.shape[2])
    seeds = range(seed * config.nets, (seed + 1) * config.nets)
    try:
        return [config.space.space().sample(s, shape, source.classes) for s in seeds]
    except ValueError as error:
        raise ConfigError(str(error), ("space", "budget")) from error


def run(config: Config, context: Context) -> dict[str, float]:
    """Draw the nets, train them, report their errors.

    Per-epoch metrics: those of `classify`, and `test_error` = 1 - test accuracy; with several
    nets their means.
    Final metrics: those of `classify` and `test_error`, `depth` (blocks or hidden layers), `width`
    (their mean channels or units) and `macs` per image, all means over the nets; `collapsed` as
    their largest; with several nets `rank_correlation`, Spearman's between the test errors after
    epoch `early` and after the last.
    """
    nets = draw(config, context.seed)
    alone = len(nets) == 1
    histories: list[dict[int, dict[str, float]]] = []
    finals = []
    for number, net in enumerate(nets):
        history: dict[int, dict[str, float]] = {}
        histories.append(history)

        def log(epoch: int, metrics: dict[str, float], rows: dict = history) -> None:
            rows[epoch] = _with_error(metrics)
            if alone:
                context.log_epoch(epoch, rows[epoch])

        def progress(done: float, total: float, unit: str, before: int = number) -> None:
            context.progress(before * total + done, len(nets) * total, unit)

        inner = dataclasses.replace(context, log_epoch=log, progress=progress)
        if not alone:  # a checkpoint is one net's
            inner.checkpoint = None
        final = classify.run(_classifier(config, net), inner)
        finals.append(
            {**_with_error(final), "depth": net.depth, "width": net.width, "macs": net.macs}
        )
    if alone:
        return finals[0]
    for epoch in range(1, config.train.epochs + 1):
        context.log_epoch(epoch, _means([history[epoch] for history in histories]))
    errors = [
        [history[epoch]["test_error"] for history in histories]
        for epoch in (min(config.early, config.train.epochs), config.train.epochs)
    ]
    return {
        **_means(finals),
        "collapsed": max(final["collapsed"] for final in finals),
        "rank_correlation": _spearman(*errors),
    }


def _classifier(config: Config, net: Net) -> classify.Config:
    model = ModelConfig(builder=net.builder, **net.arguments)
    return classify.Config(model=model, data=config.data, train=config.train)


def _with_error(metrics: dict[str, float]) -> dict[str, float]:
    return {**metrics, "test_error": 1 - metrics["test_accuracy"]}


def _means(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}


def _spearman(a: list[float], b: list[float]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)
