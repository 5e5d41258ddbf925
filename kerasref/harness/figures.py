"""Figures of a report as PNG files: same runs in, same bytes out."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

from kerasref.analysis.statistics import mean_interval
from kerasref.harness import formatting
from kerasref.harness.records import Record
from kerasref.harness.spec import Experiment, Figure

# Okabe and Ito's colours, distinguishable with any colour vision; then again, dashed.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_DASHES = ("-", "--", ":")

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.dpi": 130,
    "savefig.dpi": 130,
}


def draw(experiment: Experiment, figure: Figure, records: Sequence[Record], label: str) -> bytes:
    """One figure of the experiment, from runs that report its metric.

    Args:
        records: runs of one profile.
        label: what the reader must know of the data or scale, printed under the figure.

    Returns:
        PNG file content.
    """
    import matplotlib.style
    from matplotlib.figure import Figure as Canvas

    names = figure.variants or list(experiment.variants)
    arms = {name: [record for record in records if record.variant == name] for name in names}
    with matplotlib.style.context(["default", _STYLE]):
        canvas = Canvas(figsize=(6.4, 3.8), layout="constrained")
        axes = canvas.add_subplot()
        quantity = figure.metric.replace("_", " ")
        if figure.kind == "cdf":
            _cdf(axes, figure.metric, arms)
            axes.set_xlabel(f"{quantity} (a step for each run)")
            axes.set_ylabel("share of runs up to it")
        elif figure.kind == "learning_curve":
            _learning_curve(axes, figure.metric, arms)
            axes.set_ylabel(quantity)
        else:
            _bars(axes, figure.metric, arms, _book_numbers(experiment, figure.metric))
            axes.set_ylabel(quantity)
        axes.set_title((figure.caption or experiment.title).replace("$", r"\$"), wrap=True)
        if figure.log:
            (axes.set_xscale if figure.kind == "cdf" else axes.set_yscale)("log")
        if label:
            canvas.supxlabel(label, fontsize=7, color="#b00000", wrap=True)
        content = io.BytesIO()
        canvas.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _learning_curve(axes: Any, metric: str, arms: dict[str, list[Record]]) -> None:
    """Mean over seeds per epoch, with the band of its 95 % interval."""
    from matplotlib.ticker import MaxNLocator

    for number, (variant, records) in enumerate(arms.items()):
        curves = [record.history[metric] for record in records if metric in record.history]
        if not curves:
            continue
        epochs = range(1, max(map(len, curves)) + 1)
        points = [mean_interval(c[e - 1] for c in curves if len(c) >= e) for e in epochs]
        colour, dash = _look(number)
        label = f"{variant} ({formatting.count(len(curves), 'seed')})"
        mark = "o" if len(epochs) == 1 else None
        means = [point.mean for point in points]
        axes.plot(epochs, means, color=colour, linestyle=dash, label=label, marker=mark)
        low, high = [point.low for point in points], [point.high for point in points]
        axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel("epoch (line: mean over seeds; band: its 95 % interval)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8)


def _bars(axes: Any, metric: str, arms: dict[str, list[Record]], book: dict[str, float]) -> None:
    """Mean over seeds per variant, its 95 % interval, every seed, and the book's number."""
    values = {
        variant: [record.metrics[metric] for record in records if metric in record.metrics]
        for variant, records in arms.items()
    }
    shown = {variant: sample for variant, sample in values.items() if sample}
    for place, (variant, sample) in enumerate(shown.items()):
        interval = mean_interval(sample)
        colour = _look(list(arms).index(variant))[0]
        spread = interval.half_width if math.isfinite(interval.half_width) else None
        axes.bar(place, interval.mean, 0.6, yerr=spread, capsize=6, color=colour, alpha=0.7)
        axes.plot([place] * len(sample), sample, ".", color="black", markersize=3)
    diamonds = {place: book[variant] for place, variant in enumerate(shown) if variant in book}
    if diamonds:
        axes.plot(
            list(diamonds),
            list(diamonds.values()),
            linestyle="none",
            marker="D",
            markerfacecolor="white",
            markeredgecolor="black",
        )
    crowded = sum(map(len, shown)) > 60
    axes.set_xticks(
        range(len(shown)),
        list(shown),
        rotation=30 if crowded else 0,
        ha="right" if crowded else "center",
    )
    axes.grid(axis="x", visible=False)
    axes.set_xlabel(
        "bar: mean over seeds (dots); whiskers: its 95 % interval"
        + ("; diamond: the book" if diamonds else "")
    )


def _cdf(axes: Any, metric: str, arms: dict[str, list[Record]]) -> None:
    """Empirical distribution function of each variant's runs."""
    for number, (variant, records) in enumerate(arms.items()):
        values = [record.metrics[metric] for record in records if metric in record.metrics]
        places, shares = cdf_steps(values)
        if not places:
            continue
        colour, dash = _look(number)
        label = f"{variant} ({formatting.count(len(values), 'run')})"
        axes.step(places, shares, where="post", color=colour, linestyle=dash, label=label)
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=8)


def cdf_steps(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Where an empirical distribution function jumps, and its value from there on.

    It starts with the smallest value and 0. Values that are not finite count, but are not reached.
    """
    finite = sorted(value for value in values if math.isfinite(value))
    if not finite:
        return [], []
    return finite[:1] + finite, [rank / len(values) for rank in range(len(finite) + 1)]


def _look(number: int) -> tuple[str, str]:
    rounds, colour = divmod(number, len(_COLOURS))
    return _COLOURS[colour], _DASHES[rounds % len(_DASHES)]


def _book_numbers(experiment: Experiment, metric: str) -> dict[str, float]:
    book = experiment.table.book if experiment.table else {}
    numbers = {variant: row.get(metric) for variant, row in book.items()}
    return {v: n for v, n in numbers.items() if isinstance(n, int | float)}
