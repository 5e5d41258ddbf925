"""What every ledger row has come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kerasref.harness import formatting
from kerasref.harness.library import LedgerRow, Library, split_section
from kerasref.harness.records import Record
from kerasref.harness.spec import DEFAULT_PROFILE, OpenClaim
from kerasref.harness.verdicts import UNTESTED, Verdict, judge, row_verdict

Records = Mapping[str, Sequence[Record]]
"""Experiment id -> its runs, at most one per variant, seed and profile."""


@dataclass(frozen=True)
class RowStatus:
    """One ledger row with the verdicts on its claims.

    Attributes:
        experiments: ids of the experiments that name the row, with or without a claim about it.
        verdicts: one per claim about the row, in the order of experiments and claims.
    """

    row: LedgerRow
    experiments: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def word(self) -> str:
        return row_verdict(verdict.word for verdict in self.verdicts)

    @property
    def surrogate(self) -> bool:
        """True if a tested claim rests on data that stood in for the book's."""
        return any(verdict.surrogate for verdict in self.tested)

    @property
    def tested(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.word not in UNTESTED)

    @property
    def untested(self) -> str:
        """`1 claim without runs, 2 claims at full scale remaining`, or empty."""
        words = [v.word for v in self.verdicts if not isinstance(v.claim, OpenClaim)]
        scale, open_ = words.count("needs-scale"), words.count("open")
        parts = [f"{formatting.count(open_, 'claim')} without runs"] if open_ else []
        parts += [f"{formatting.count(scale, 'claim')} at full scale remaining"] if scale else []
        return ", ".join(parts)

    @property
    def evidence(self) -> str:
        """One line: the verdict and statistic of every claim tested, and what is not and why."""
        if self.experiments and not self.verdicts:
            return "named by an experiment that states no claim about it"
        lines = []
        for verdict in self.tested:
            line = f"{verdict.word}: {verdict.statement}: {verdict.evidence}"
            if verdict.surrogate:
                line += f" (surrogate data: {verdict.surrogate})"
            lines.append(line)
        lines += [f"open: {v.evidence}" for v in self.verdicts if isinstance(v.claim, OpenClaim)]
        return "; ".join([*lines, self.untested] if self.untested else lines)


def rows(
    library: Library, records: Records, profile: str = DEFAULT_PROFILE
) -> list[dict[str, str]]:
    """One plain object per ledger row of every book, in the ledgers' order."""
    return [
        {
            "book": status.row.book,
            "section": status.row.section,
            "id": status.row.id,
            "kind": status.row.kind,
            "class": status.row.cls,
            "verdict": status.word,
            "experiment": ", ".join(status.experiments),
            "evidence": status.evidence,
        }
        for status in assess(library, records, profile)
    ]


def assess(
    library: Library,
    records: Records,
    profile: str = DEFAULT_PROFILE,
    ledger_rows: Iterable[LedgerRow] | None = None,
) -> list[RowStatus]:
    """Judge ledger rows (all of them by default) by the runs of the experiments that name them.

    Raises:
        ConfigError: an experiment file is wrong, or claims a metric that its runs do not report.
    """
    if ledger_rows is None:
        ledger_rows = [row for book in library.ledger.values() for row in book.values()]
    naming: dict[tuple[str, str], list[str]] = {}
    for id in library.paths:
        experiment = library.experiment(id)
        for ledger_id in experiment.ledger_ids:
            naming.setdefault((experiment.source.book, ledger_id), []).append(id)
    judged: dict[str, list[Verdict]] = {}
    statuses = []
    for row in ledger_rows:
        experiments = naming.get((row.book, row.id), [])
        for id in experiments:
            if id not in judged:
                judged[id] = judge(library.experiment(id), records.get(id, ()), profile)
        verdicts = [verdict for id in experiments for verdict in judged[id] if verdict.id == row.id]
        statuses.append(RowStatus(row, tuple(experiments), tuple(verdicts)))
    return statuses


def section_rows(library: Library, section_id: str) -> list[LedgerRow]:
    """A section's ledger rows, and those of other sections that its experiments name.

    The chapter of a book without sections (`yousan/11`) has the rows of that chapter; a book whose
    experiments stand in no section has all its rows.
    """
    book, section = split_section(section_id)
    named = {
        ledger_id
        for id in library.paths
        if id.startswith(f"{section_id}/")
        for ledger_id in library.experiment(id).ledger_ids
    }
    own = (section, f"chapter {section}")
    ledger = library.ledger.get(book, {})
    return [row for row in ledger.values() if not section or row.section in own or row.id in named]
