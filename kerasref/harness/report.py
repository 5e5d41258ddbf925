"""A section's page: questions, tables, figures, verdicts and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kerasref.harness import figures, files, formatting, markdown, tables
from kerasref.harness.coverage import Records, RowStatus, assess, section_rows
from kerasref.harness.library import Library, split_section
from kerasref.harness.provenance import describe, make_target, scale_label, surrogate_label
from kerasref.harness.records import Record
from kerasref.harness.scoreboard import book_title, section_title, summary
from kerasref.harness.spec import DEFAULT_PROFILE, CitationClaim, Experiment, Figure
from kerasref.harness.verdicts import (
    Verdict,
    collapsed,
    judge,
    unknown_metric,
    wanted_profile,
)

Failures = Mapping[str, Sequence[str]]
"""Experiment id -> one line per failed run: which one and why."""


def write_section(
    library: Library,
    section_id: str,
    records: Records,
    out_dir: Path,
    profile: str = DEFAULT_PROFILE,
    failed: Failures | None = None,
) -> Path:
    """Write one section's report and its figures; the same runs give the same bytes.

    Args:
        section_id: such as `dlnotes/1.1`.
        records: runs by experiment id, at most one per variant, seed and profile.
        out_dir: the reports' directory; figures go to `figures/<section_id>/` below it.
        profile: the scale reported on.
        failed: what is known of runs that failed.

    Returns:
        `<out_dir>/<section_id>.md`.

    Raises:
        ConfigError: a claim, table or figure names a metric that no run reports.
    """
    experiments = [library.experiment(id) for id in library.paths if _in(section_id, id)]
    statuses = assess(library, records, profile, section_rows(library, section_id))
    drawn: dict[str, bytes] = {}
    bodies = []
    for experiment in experiments:
        runs = _runs(experiment, records, profile)
        pictures = _figures(experiment, runs)
        drawn |= pictures
        verdicts = judge(experiment, records.get(experiment.id, ()), profile)
        failures = (failed or {}).get(experiment.id, ())
        bodies.append(_experiment(experiment, runs, verdicts, failures, list(pictures), profile))
    path = out_dir / f"{section_id}.md"
    _replace_figures(out_dir / "figures", section_id, drawn)
    head = _head(library, section_id, experiments, statuses, records, profile)
    files.replace(path, markdown.page([*head, *bodies]))
    return path


def _runs(experiment: Experiment, records: Records, profile: str) -> list[Record]:
    """Those that tables and figures show, in an order that does not depend on the store's."""
    wanted = wanted_profile(experiment, profile)
    runs = [record for record in records.get(experiment.id, ()) if record.profile == wanted]
    return sorted(runs, key=lambda record: (record.variant, record.seed))


def _in(section_id: str, id: str) -> bool:
    return id.startswith(f"{section_id}/")


# The page's head


def _head(
    library: Library,
    section_id: str,
    experiments: list[Experiment],
    statuses: list[RowStatus],
    records: Records,
    profile: str,
) -> list[str]:
    book, section = split_section(section_id)
    title = f"{section} {section_title(library, book, section)}".strip()
    by = f", {library.books[book].author}" if book in library.books else ""
    runs = [(experiment, _runs(experiment, records, profile)) for experiment in experiments]
    surrogates = {surrogate_label(experiment, used) for experiment, used in runs}
    scales = {scale_label(experiment, used) for experiment, used in runs}
    warnings = [f"**Surrogate data**: {label}." for label in sorted(surrogates - {""})]
    warnings += [f"**Not the book's scale**: {label}." for label in sorted(scales - {""})]
    lines = [
        [
            status.row.id,
            markdown.text(status.row.title),
            status.row.kind,
            _row_word(status),
            ", ".join(_link(id, section_id) for id in status.experiments),
        ]
        for status in statuses
    ]
    return [
        f"# {title or book_title(library, book)}",
        f"{book_title(library, book)}{by}. [Scoreboard]({_up(section_id)}README.md).",
        "\n>\n".join(f"> {warning}" for warning in warnings),
        f"Regenerate with `{make_target(section_id, profile)}`.",
        "## Summary",
        f"**{summary(statuses)}.**",
        markdown.table(["id", "what the book says", "kind", "verdict", "experiment"], lines),
    ]


def _up(section_id: str) -> str:
    """From a section's page to the directory of all reports."""
    return "../" * section_id.count("/")


def _row_word(status: RowStatus) -> str:
    remarks = ["surrogate data"] if status.surrogate else []
    remarks += [status.untested] if status.tested and status.untested else []
    word = status.word if status.word == "open" else f"**{status.word}**"
    return f"{word} ({', '.join(remarks)})" if remarks else word


def _link(id: str, section_id: str) -> str:
    section, name = id.rsplit("/", 1)
    if section == section_id:
        return f"[{name}](#{name})"
    return f"[{section.split('/')[1]} {name}]({section.split('/')[1]}.md#{name})"


# One experiment


def _experiment(
    experiment: Experiment,
    runs: list[Record],
    verdicts: list[Verdict],
    failures: Sequence[str],
    pictures: list[str],
    profile: str,
) -> str:
    name = experiment.id.rsplit("/", 1)[1]
    titles = [title for title in (experiment.title_zh, experiment.title) if title]
    labels = _labels(experiment, runs)
    parts = [
        f'<a id="{name}"></a>\n\n## {" · ".join(titles)}',
        f"**Question.** {_line(experiment.question)}",
        f"**Why this setting.** {_line(experiment.why)}" if experiment.why else "",
        f"**Book.** Section {experiment.source.section}; ledger "
        f"{', '.join(experiment.ledger_ids)}{_papers(experiment)}.",
    ]
    if runs:
        parts += [_table(experiment, runs, labels)]
        parts += [
            f"![{markdown.text(_caption(experiment, figure))}]"
            f"({_up(experiment.section_id)}figures/{picture})"
            for figure, picture in zip(experiment.figures, pictures, strict=True)
        ]
    else:
        parts.append(f"No runs at profile `{wanted_profile(experiment, profile)}` yet.")
    parts += [
        _bullets("Verdicts", map(_verdict_line, verdicts)),
        _bullets("Errata found", map(_erratum_line, _of("erratum", verdicts))),
        _bullets("Collapsed runs (chance level; counted in every mean)", _collapsed_lines(runs)),
        _bullets("Failed runs", map(markdown.text, failures)),
        _provenance(experiment, runs, profile),
    ]
    return "\n\n".join(part for part in parts if part)


def _line(text: str) -> str:
    return " ".join(text.split())


def _papers(experiment: Experiment) -> str:
    return f"; papers {', '.join(experiment.source.papers)}" if experiment.source.papers else ""


def _labels(experiment: Experiment, runs: list[Record]) -> list[str]:
    surrogate = surrogate_label(experiment, runs)
    labels = [f"surrogate data: {surrogate}" if surrogate else "", scale_label(experiment, runs)]
    return [label for label in labels if label]


def _table(experiment: Experiment, runs: list[Record], labels: list[str]) -> str:
    body = tables.results(experiment, runs)
    if not body:
        return ""
    caption = experiment.table.caption if experiment.table else experiment.title
    remarks = ["mean ± 95 % confidence interval over seeds", *labels]
    return f"**{_line(caption)}** ({'; '.join(remarks)})\n\n{body}"


def _bullets(heading: str, lines: Iterable[str]) -> str:
    items = "\n".join(f"- {line}" for line in lines)
    return f"**{heading}**\n\n{items}" if items else ""


def _verdict_line(verdict: Verdict) -> str:
    evidence = verdict.evidence.rstrip(".")  # why a claim is open may be several sentences
    line = f"**{verdict.word}** · {verdict.id} · {verdict.statement}: {evidence}."
    if verdict.surrogate:
        line += f" *Surrogate data: {verdict.surrogate}.*"
    if verdict.missing:
        line += f" Missing: {'; '.join(verdict.missing)}."
    # An erratum's note stands with the erratum.
    return line if verdict.word == "erratum" else f"{line} {_line(verdict.note)}".rstrip()


def _of(word: str, verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.word == word]


def _erratum_line(verdict: Verdict) -> str:
    claim = verdict.claim
    line = f"{verdict.id}: the book prints {formatting.exact(claim.book)}; "
    if isinstance(claim, CitationClaim):
        line += f"{verdict.statement}."
    else:
        line += f"`{claim.metric}` is {formatting.exact(claim.equals)}."
    return f"{line} {_line(verdict.note)}".rstrip()


def _collapsed_lines(runs: list[Record]) -> list[str]:
    return [f"`{record.variant}` seed {record.seed}" for record in collapsed(runs)]


def _provenance(experiment: Experiment, runs: list[Record], profile: str) -> str:
    facts = describe(experiment, runs, profile)
    body = markdown.table(["provenance", ""], [[name, text] for name, text in facts.items()])
    return f"<details><summary>Provenance and how to run it</summary>\n\n{body}\n\n</details>"


# Figures


def _figures(experiment: Experiment, runs: list[Record]) -> dict[str, bytes]:
    """Path under `figures/` -> PNG, in the experiment's order."""
    if not runs:
        return {}
    label = "; ".join(_labels(experiment, runs)).replace("`", "")
    drawn = {}
    for number, figure in enumerate(experiment.figures):
        curve = figure.kind == "learning_curve"
        known = {name for run in runs for name in (run.history if curve else run.metrics)}
        if figure.metric not in known:
            key = ("figures", str(number), "metric")
            raise unknown_metric(experiment, figure.metric, known, *key, per_epoch=curve)
        path = f"{experiment.id}-{number + 1}-{figure.metric.replace('/', '-')}.png"
        drawn[path] = figures.draw(experiment, figure, runs, label)
    return drawn


def _caption(experiment: Experiment, figure: Figure) -> str:
    return figure.caption or f"{experiment.title}: {figure.metric}"


def _replace_figures(directory: Path, section_id: str, drawn: dict[str, bytes]) -> None:
    """Write a section's figures and remove those it no longer has."""
    for path, content in drawn.items():
        files.replace(directory / path, content)
    for old in (directory / section_id).glob("*.png"):
        if f"{section_id}/{old.name}" not in drawn:
            old.unlink()
