"""`reports/README.md`: every ledger row of every book, counted by section and verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kerasref.harness import files, markdown
from kerasref.harness.coverage import Records, RowStatus, assess
from kerasref.harness.library import Library
from kerasref.harness.spec import DEFAULT_PROFILE

# Best first, as a reader looks for it.
COLUMNS = (
    "match",
    "reproduced",
    "erratum",
    "inconclusive",
    "refuted",
    "mismatch",
    "needs-scale",
    "open",
)

LEGEND = {
    "match": "an exact claim holds, for every seed",
    "mismatch": "an exact claim does not hold",
    "erratum": "the book prints a wrong number; the report shows the right one",
    "reproduced": "a statistical claim holds: 95 % interval, at least 3 seeds, paired",
    "refuted": "the interval contradicts the claim",
    "inconclusive": "the runs cannot tell",
    "needs-scale": "runnable, only at the full-scale profile `paper`",
    "open": "nothing yet",
}


def write(
    library: Library, records: Records, out_dir: Path, profile: str = DEFAULT_PROFILE
) -> Path:
    """Write the scoreboard. Links go to the section reports that `out_dir` has."""
    statuses = assess(library, records, profile)
    by_book: dict[str, list[RowStatus]] = {book: [] for book in library.ledger}
    for status in statuses:
        by_book[status.row.book].append(status)
    parts = ["# Scoreboard", _intro(statuses, profile), _totals(library, by_book)]
    parts.append(markdown.table(["verdict", "meaning"], [[w, LEGEND[w]] for w in COLUMNS]))
    for book, rows in by_book.items():
        parts += [
            f'<a id="{book}"></a>',
            f"## {book_title(library, book)}",
            _book_table(library, book, rows, out_dir),
        ]
    path = out_dir / "README.md"
    files.replace(path, markdown.page(parts))
    return path


def book_title(library: Library, book: str) -> str:
    """`深度学习高手笔记 卷1 · Deep learning notes, volume 1`."""
    if book not in library.books:
        return book
    title = library.books[book].title
    return f"{title.zh} · {title.en}"


def section_title(library: Library, book: str, section: str) -> str:
    """`起源 · Origins`, or empty where `book.yaml` has none."""
    sections = library.books[book].sections if book in library.books else {}
    title = sections.get(section.removeprefix("chapter "))
    return f"{title.zh} · {title.en}" if title else ""


def summary(statuses: Iterable[RowStatus]) -> str:
    """`24 ledger rows: 10 match, 3 reproduced (2 on surrogate data), 11 open`."""
    statuses = list(statuses)
    counts = Counter(status.word for status in statuses)
    surrogate = Counter(status.word for status in statuses if status.surrogate)
    parts = [
        f"{counts[word]:,} {word}"
        + (f" ({surrogate[word]:,} on surrogate data)" if surrogate[word] else "")
        for word in COLUMNS
        if counts[word]
    ]
    rows = "1 ledger row" if len(statuses) == 1 else f"{len(statuses):,} ledger rows"
    return f"{rows}: {', '.join(parts)}" if parts else "no ledger rows"


def _intro(statuses: list[RowStatus], profile: str) -> str:
    return (
        f"**{summary(statuses)}.**\n\n"
        "One row of a ledger is one thing that a book says and that can be built or checked. A row "
        f"with several claims counts as its worst. Profile: `{profile}`. Every row with its "
        "evidence: `kerasref coverage`."
    )


def _totals(library: Library, by_book: dict[str, list[RowStatus]]) -> str:
    lines = [
        [f"[{book_title(library, book)}](#{book})", *_counts(rows)]
        for book, rows in by_book.items()
    ]
    everything = [status for rows in by_book.values() for status in rows]
    lines.append(["**all**", *_counts(everything)])
    return markdown.table(["book", "rows", *COLUMNS], lines, numbers_from=1)


def _book_table(library: Library, book: str, statuses: list[RowStatus], out_dir: Path) -> str:
    sections: dict[str, list[RowStatus]] = {}
    for status in statuses:
        sections.setdefault(status.row.section, []).append(status)
    lines = []
    for section in sorted(sections, key=_natural):
        rows = sections[section]
        reports = dict.fromkeys(id.rsplit("/", 1)[0] for row in rows for id in row.experiments)
        links = [
            f"[{report.rpartition('/')[2]}]({report}.md)"
            for report in reports
            if (out_dir / f"{report}.md").exists()
        ]
        title = section_title(library, book, section)
        lines.append([section, title, ", ".join(links), *_counts(rows)])
    lines.append(["**all**", "", "", *_counts(statuses)])
    return markdown.table(["section", "title", "report", "rows", *COLUMNS], lines, numbers_from=3)


def _counts(statuses: list[RowStatus]) -> list[str]:
    counts = Counter(status.word for status in statuses)
    return [f"{len(statuses):,}", *(f"{counts[w]:,}" if counts[w] else "" for w in COLUMNS)]


def _natural(section: str) -> tuple:
    """Numbered sections by number, chapters before their sections, named ones as they come."""
    name = section.removeprefix("chapter ")
    numbered = re.fullmatch(r"\d+(\.\d+)*", name)
    return (0, [int(part) for part in name.split(".")]) if numbered else (1, [])
