"""Finds what is on the shelf: the project's home, its experiments, books and ledgers."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kerasref.harness import spec
from kerasref.harness.errors import ConfigError, KerasrefError, did_you_mean


@dataclass(frozen=True)
class LedgerRow:
    """One thing that a book says and that can be built or checked."""

    book: str
    section: str
    id: str
    kind: str
    cls: str
    title: str
    gold: str


def home() -> Path:
    """The project: `KERASREF_HOME`, else the nearest directory upwards with `experiments/`.

    Falls back to the checkout that this package was imported from.
    """
    if named := os.environ.get("KERASREF_HOME"):
        if not (Path(named) / "experiments").is_dir():
            raise KerasrefError(f"KERASREF_HOME={named}: has no directory experiments/")
        return Path(named).resolve()
    here = Path.cwd().resolve()
    for directory in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (directory / "experiments").is_dir():
            return directory
    raise KerasrefError("no directory experiments/ here or above; set KERASREF_HOME")


class Library:
    """Experiments, books and ledgers under one home. Reads files when asked, once."""

    def __init__(self, root: Path | None = None):
        self.root = root or home()
        self._loaded: dict[str, spec.Experiment] = {}

    @property
    def state(self) -> Path:
        """Where runs keep what is not committed: `<home>/.kerasref`."""
        return self.root / ".kerasref"

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Experiment id -> its file, sorted by id.

        A book's experiments stand in a directory per section, or in the book's own.
        """
        base = self.root / "experiments"
        files = [
            *base.glob("*/*/*.yaml"),
            *set(base.glob("*/*.yaml")) - set(base.glob("*/book.yaml")),
        ]
        ids = {path.relative_to(base).with_suffix("").as_posix(): path for path in files}
        return dict(sorted(ids.items()))

    @cached_property
    def books(self) -> dict[str, spec.Book]:
        return {
            path.parent.name: spec.load_book(path, self.root)
            for path in sorted((self.root / "experiments").glob("*/book.yaml"))
        }

    @cached_property
    def ledger(self) -> dict[str, dict[str, LedgerRow]]:
        """Book -> ledger id -> row, in the ledger's order."""
        ledgers = sorted((self.root / "experiments").glob("*/ledger.csv"))
        return {path.parent.name: self._read_ledger(path) for path in ledgers}

    def _read_ledger(self, path: Path) -> dict[str, LedgerRow]:
        book, rows = path.parent.name, {}
        name = path.relative_to(self.root)
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise KerasrefError(f"{name}: not UTF-8 text") from None
        with io.StringIO(text, newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                line = reader.line_num
                if None in row or None in row.values():
                    columns = len(reader.fieldnames or ())
                    raise KerasrefError(f"{name}:{line}: expected {columns} columns")
                try:
                    section = row["section"] or f"chapter {row['chapter']}"
                    entry = LedgerRow(
                        book,
                        section,
                        row["id"],
                        row["kind"],
                        row["class"],
                        row["title"],
                        row["gold"],
                    )
                except KeyError as missing:
                    raise KerasrefError(f"{name}:{line}: no column {missing}") from None
                if entry.id in rows:
                    raise KerasrefError(f"{name}:{line}: id {entry.id} stands twice")
                rows[entry.id] = entry
        return rows

    def experiment(self, id: str) -> spec.Experiment:
        """Load one experiment, check its ledger ids.

        Raises:
            ConfigError: unknown id (with the nearest one), or anything wrong in the file.
        """
        if id not in self._loaded:
            if id not in self.paths:
                raise ConfigError(f"no experiment {id!r}" + did_you_mean(id, self.paths))
            experiment = spec.load_experiment(self.paths[id], self.root)
            self._check_ledger_ids(experiment)
            self._loaded[id] = experiment
        return self._loaded[id]

    def _check_ledger_ids(self, experiment: spec.Experiment) -> None:
        rows = self.ledger.get(experiment.source.book, {})
        named = [(id, ("source", "ledger")) for id in experiment.source.ledger]
        named += [(c.id, ("claims", str(n), "id")) for n, c in enumerate(experiment.claims)]
        for id, key in named:
            if id not in rows:
                hint = did_you_mean(id, rows) if len(rows) < 20 else _near(id, rows)
                raise experiment.error(
                    f"{id!r} is not in the ledger of {experiment.source.book}{hint}", *key
                )

    def select(self, patterns: list[str]) -> list[spec.Experiment]:
        """Experiments named by id, `book`, `book/section` or chapter (`book/1`), or `all`.

        No pattern also means all.

        Raises:
            ConfigError: a pattern that names nothing, with the nearest name.
        """
        chosen: dict[str, None] = {}
        for pattern in patterns or ["all"]:
            wanted = pattern.strip("/")
            found = [id for id in self.paths if pattern == "all" or _names(wanted, id)]
            if not found:
                names = {part for id in self.paths for part in _prefixes(id)} | set(self.ledger)
                if wanted in self.ledger:
                    raise ConfigError(f"{wanted!r} has no experiments yet")
                raise ConfigError(f"nothing is called {pattern!r}" + _near(wanted, names))
            chosen.update(dict.fromkeys(found))
        return [self.experiment(id) for id in chosen]


def split_section(section_id: str) -> tuple[str, str]:
    """`("dlnotes", "1.1")` for `dlnotes/1.1`; `("bench", "")` for a book without sections."""
    book, _, section = section_id.partition("/")
    return book, section


def _prefixes(id: str) -> list[str]:
    parts = id.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]


def _names(wanted: str, id: str) -> bool:
    """True if `wanted` is the id, a leading part of it, or its chapter (`dlnotes/1`)."""
    chapter = wanted.count("/") == 1 and id.startswith(f"{wanted}.")
    return id == wanted or id.startswith(f"{wanted}/") or chapter


def _near(word: str, known) -> str:
    hint = did_you_mean(word, known)
    return hint if hint.startswith("; did you mean") else ""
