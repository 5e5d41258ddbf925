"""The published record: final metrics and histories of runs as CSV files under `reports/data/`.

`<experiment>.csv` has a line per run: variant, seed, profile, hash, provenance (`tag.*`), then the
metrics. `<experiment>.history.csv` has a line per run and epoch. Numbers round-trip exactly; an
empty cell is a metric that the run did not report.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from kerasref.harness import files
from kerasref.harness.errors import KerasrefError, did_you_mean
from kerasref.harness.provenance import TAGS
from kerasref.harness.records import Record

_RUN = ("variant", "seed", "profile", "hash")
_EPOCH = ("variant", "seed", "profile", "epoch")
_HISTORY = ".history.csv"


def write(reports: Path, experiment: str, records: Iterable[Record]) -> None:
    """Publish the runs of one experiment, replacing what was published of it.

    Args:
        reports: the directory `reports`.
    """
    records = sorted(records, key=lambda r: (r.profile, r.variant, r.seed))
    finals, history = _paths(reports, experiment)
    metrics = sorted({name for record in records for name in record.metrics})
    head = [*_RUN, *(f"tag.{tag}" for tag in TAGS), *metrics]
    lines = [_final_line(record, metrics) for record in records]
    files.replace(finals, _csv([head, *lines]))
    if any(record.history for record in records):
        metrics = sorted({name for record in records for name in record.history})
        lines = [line for record in records for line in _epoch_lines(record, metrics)]
        files.replace(history, _csv([[*_EPOCH, *metrics], *lines]))
    else:
        history.unlink(missing_ok=True)


def read(reports: Path, experiment: str) -> list[Record]:
    """Published runs of one experiment; none if it was never published.

    Raises:
        KerasrefError: a file is truncated or was edited badly; names file and line.
    """
    finals, history = _paths(reports, experiment)
    if not finals.exists():
        return []
    curves: dict[tuple[str, int, str], dict[str, tuple[float, ...]]] = {}
    for row in _rows(history, _EPOCH, reports) if history.exists() else ():
        run = curves.setdefault((row["variant"], row.whole("seed"), row["profile"]), {})
        epoch = row.whole("epoch")
        for name, value in row.numbers(_EPOCH).items():
            curve = run.setdefault(name, ())
            if len(curve) != epoch - 1:
                raise row.error(f"{name} has no value for epoch {len(curve) + 1} before this one")
            run[name] = (*curve, value)
    records: dict[tuple[str, int, str], Record] = {}
    required = (*_RUN, *(f"tag.{tag}" for tag in TAGS))
    for row in _rows(finals, required, reports):
        key = (row["variant"], row.whole("seed"), row["profile"])
        if key in records:
            raise row.error(f"{key[0]} seed {key[1]} stands twice")
        records[key] = Record(
            experiment,
            *key,
            hash=row["hash"],
            metrics=row.numbers(required),
            history=curves.pop(key, {}),
            tags={tag: row[f"tag.{tag}"] for tag in TAGS if row[f"tag.{tag}"]},
        )
    if curves:
        variant, seed, _ = next(iter(curves))
        raise KerasrefError(
            f"{_name(history, reports)}: {variant} seed {seed} is not in {finals.name}"
        )
    return list(records.values())


def read_all(reports: Path) -> dict[str, list[Record]]:
    """Every published experiment's runs by experiment id."""
    base = reports / "data"
    ids = [
        path.relative_to(base).with_suffix("").as_posix()
        for path in sorted([*base.glob("*/*.csv"), *base.glob("*/*/*.csv")])
        if not path.name.endswith(_HISTORY)
    ]
    return {id: read(reports, id) for id in ids}


def _paths(reports: Path, experiment: str) -> tuple[Path, Path]:
    base = reports / "data" / experiment
    return base.with_name(base.name + ".csv"), base.with_name(base.name + _HISTORY)


def _name(path: Path, reports: Path) -> str:
    return path.relative_to(reports.parent).as_posix()


def _cell(metrics: dict[str, float], name: str) -> str:
    return repr(float(metrics[name])) if name in metrics else ""


def _final_line(record: Record, metrics: list[str]) -> list[str]:
    tags = [record.tags.get(tag, "") for tag in TAGS]
    numbers = [_cell(record.metrics, name) for name in metrics]
    return [record.variant, str(record.seed), record.profile, record.hash, *tags, *numbers]


def _epoch_lines(record: Record, metrics: list[str]) -> Iterator[list[str]]:
    for epoch in range(1, max(map(len, record.history.values()), default=0) + 1):
        here = {name: c[epoch - 1] for name, c in record.history.items() if len(c) >= epoch}
        numbers = [_cell(here, name) for name in metrics]
        yield [record.variant, str(record.seed), record.profile, str(epoch), *numbers]


def _csv(lines: Iterable[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


class _Row(dict[str, str]):
    """One line of a CSV file, with errors that name it."""

    where: str

    def error(self, message: str) -> KerasrefError:
        return KerasrefError(f"{self.where}: {message}")

    def whole(self, column: str) -> int:
        try:
            return int(self[column])
        except ValueError:
            raise self.error(f"{column} is {self[column]!r}, not a whole number") from None

    def numbers(self, leaving_out: tuple[str, ...]) -> dict[str, float]:
        """The metrics: every other column that is not empty."""
        values = {}
        for column, text in self.items():
            if column in leaving_out or not text:
                continue
            try:
                values[column] = float(text)
            except ValueError:
                raise self.error(f"{column} is {text!r}, not a number") from None
        return values


def _rows(path: Path, required: tuple[str, ...], reports: Path) -> Iterator[_Row]:
    name = _name(path, reports)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise KerasrefError(f"{name}: cannot be read: {reason}") from None
    if not text.endswith("\n"):
        raise KerasrefError(f"{name}:{text.count(chr(10)) + 1}: the last line is cut off")
    reader = csv.reader(io.StringIO(text))
    head = next(reader)
    for column in required:
        if column not in head:
            raise KerasrefError(f"{name}:1: no column {column!r}{did_you_mean(column, head)}")
    if len(set(head)) < len(head):
        raise KerasrefError(f"{name}:1: a column stands twice")
    for cells in reader:
        row = _Row(zip(head, cells, strict=False))
        row.where = f"{name}:{reader.line_num}"
        if len(cells) != len(head):
            raise row.error(f"has {len(cells)} cells; the header has {len(head)}")
        yield row
