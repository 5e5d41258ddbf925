"""The book's table, regenerated: our mean and interval beside the book's number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from kerasref.analysis.statistics import mean_interval
from kerasref.harness import formatting, markdown
from kerasref.harness.records import Record
from kerasref.harness.spec import Experiment, MeasuredClaim
from kerasref.harness.verdicts import unknown_metric

# With more metrics than this, metrics become rows and variants columns.
_WIDEST = 6
_SEEDS = "seeds"


def results(experiment: Experiment, records: Sequence[Record]) -> str:
    """A Markdown table: variants by metrics, each with the book's number where it prints one.

    The columns are those of the experiment's table, or else the metrics of its claims.

    Args:
        records: runs of one profile, at least one.

    Returns:
        The table, or an empty string where there is no metric to show.

    Raises:
        ConfigError: the table names a metric that no run reports.
    """
    metrics = _metrics(experiment, records)
    if not metrics:
        return ""
    variants = [v for v in experiment.variants if any(r.variant == v for r in records)]
    arms = {v: [record for record in records if record.variant == v] for v in variants}
    book = experiment.table.book if experiment.table else {}
    variants += [v for v in book if v not in arms]

    def ours(variant: str, metric: str) -> str:
        arm = arms.get(variant, [])
        return str(len(arm)) if metric == _SEEDS else _cell(arm, metric)

    def printed(variant: str, metric: str) -> str:
        value = book.get(variant, {}).get(metric, "")
        return value if isinstance(value, str) else formatting.exact(value)

    if len(metrics) <= _WIDEST:
        return _grid("variant", variants, [*metrics, _SEEDS], ours, printed)
    return _grid(
        "metric",
        [*metrics, _SEEDS],
        variants,
        lambda metric, variant: ours(variant, metric),
        lambda metric, variant: printed(variant, metric),
    )


def _grid(
    corner: str,
    rows: Sequence[str],
    columns: Sequence[str],
    ours: Callable[[str, str], str],
    printed: Callable[[str, str], str],
) -> str:
    """A column of ours, then one of the book's where it prints anything there."""
    head, lines = [corner], [[row] for row in rows]
    for column in columns:
        head.append(column)
        for line, row in zip(lines, rows, strict=True):
            line.append(ours(row, column))
        books = [printed(row, column) for row in rows]
        if any(books):
            head.append("book")
            for line, text in zip(lines, books, strict=True):
                line.append(text)
    return markdown.table(head, lines, numbers_from=1)


def _metrics(experiment: Experiment, records: Sequence[Record]) -> list[str]:
    known = {name for record in records for name in record.metrics}
    if experiment.table is None:
        claimed = [c.metric for c in experiment.claims if isinstance(c, MeasuredClaim)]
        return [metric for metric in dict.fromkeys(claimed) if metric in known]
    for number, metric in enumerate(experiment.table.columns):
        if metric not in known:
            raise unknown_metric(experiment, metric, known, "table", "columns", str(number))
    return experiment.table.columns


def _cell(records: Sequence[Record], metric: str) -> str:
    values = [record.metrics[metric] for record in records if metric in record.metrics]
    if not values:
        return ""
    unusable = sum(not math.isfinite(value) for value in values)
    if unusable:
        return f"not finite in {unusable} of {len(values)}"
    text = formatting.mean(mean_interval(values), metric)
    return text if len(values) == len(records) else f"{text} (n = {len(values)})"
