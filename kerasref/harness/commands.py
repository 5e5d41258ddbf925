"""What each command of the command line does."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from kerasref.harness import plan, spec
from kerasref.harness.errors import KerasrefError
from kerasref.harness.library import Library
from kerasref.harness.plan import Options, Run
from kerasref.harness.remember import remembered


def _console(stderr: bool = False) -> Any:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 10_000  # whoever reads a pipe wants one line per row
    return console


def _table(*columns: str) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def list_experiments(pattern: str | None) -> None:
    """Print id, number of variants and seeds, and question of the experiments."""
    library = Library()

    def rows() -> list[list[str]]:
        return [
            [e.id, str(len(e.variants)), str(e.base.get("seeds", 1)), e.takes, e.question]
            for e in library.select([pattern] if pattern else [])
        ]

    whole = library.state / "list.json"
    found = rows() if pattern else remembered(whole, [library.root / "experiments"], rows)
    table = _table("experiment", "variants", "seeds", "takes", "question")
    for row in found:
        table.add_row(*row)
    _console().print(table)


def show(id: str, options: Options) -> None:
    """Print every run's resolved configuration as YAML documents, with its hash."""
    (experiment,) = _only(Library().select([id]), id)
    runs = _planned(experiment, options)
    print(f"# {experiment.title}\n# {experiment.question}")
    if not runs:
        print(f"# needs profile {experiment.needs}: no run at {options.profile}")
    for run in runs:
        print(f"---\nhash: {run.hash}")
        if run.surrogate_for:
            print(f"surrogate_for: {run.surrogate_for}")
        print(run.full_yaml(), end="")


def _only(experiments: list[spec.Experiment], id: str) -> list[spec.Experiment]:
    if len(experiments) != 1:
        raise KerasrefError(
            f"{id!r} names {len(experiments)} experiments; show wants one, such as "
            f"{experiments[0].id}"
        )
    return experiments


def _planned(experiment: spec.Experiment, options: Options) -> list[Run]:
    """The runs on the data that is there; where none is, those on the data asked for."""
    try:
        return plan.choose_available(experiment, options)
    except KerasrefError:
        return plan.alternatives(experiment, options)[0]


def check(ids: list[str], options: Options) -> None:
    """Raises KerasrefError where `run` with the same arguments would."""
    _use_tensorflow()
    experiments = Library().select(ids)
    shared = plan.share_out(experiments, options)
    for experiment in experiments:
        plan.alternatives(experiment, shared[experiment.id])


def run(
    ids: list[str],
    options: Options,
    *,
    jobs: int | None,
    threads: int,
    force: bool,
    dry_run: bool,
    cluster: str | None,
) -> int:
    """Run experiments; returns 1 if any run failed."""
    from kerasref.harness import launch, session

    _use_tensorflow()
    launch.watch_parent()
    library = Library()
    experiments = library.select(ids)
    shared = plan.share_out(experiments, options)
    console = _console(stderr=True)
    if dry_run:
        return _dry_run(experiments, shared)
    for problem in plan.prepare_data(experiments, shared):
        console.print(problem, style="yellow", soft_wrap=True)
    planned = {e.id: plan.choose_available(e, shared[e.id]) for e in experiments}
    for runs in planned.values():
        if runs and runs[0].fallback_for:
            console.print(
                f"{runs[0].experiment}: using fallback data {runs[0].data} "
                f"instead of {runs[0].fallback_for}",
                style="yellow",
            )
    outcomes = session.Session(
        library, options, jobs=jobs, threads=threads, force=force, cluster=cluster, console=console
    ).run(experiments, planned)
    return 1 if any(outcome.status == "failed" for outcome in outcomes) else 0


def _use_tensorflow() -> None:
    """Have Keras run on TensorFlow, whichever backend its settings file names."""
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise KerasrefError(
            f"KERAS_BACKEND is {backend!r}: builders work there, experiments want 'tensorflow'"
        )


def _dry_run(experiments: list[spec.Experiment], options: dict[str, Options]) -> int:
    table = _table("hash", "run", "data", "surrogate for")
    for experiment in experiments:
        for run in _planned(experiment, options[experiment.id]):
            table.add_row(
                run.hash, f"{run.experiment} {run.name}", run.data or "-", run.surrogate_for
            )
    _console().print(table)
    return 0


def report(ids: list[str], profile: str, origin: str, out: Path | None) -> None:
    """Write section reports, the published record and the scoreboard.

    The published record is replaced, and compared with what it was, where the store has new runs.
    """
    from kerasref.harness import published, scoreboard
    from kerasref.harness import report as reports
    from kerasref.harness.collect import collect

    library = Library()
    chosen = library.select(ids)
    out = out or _report_directory(library, profile)
    collected = collect(library, profile, origin)
    console = _console(stderr=True)
    for experiment in chosen:
        if note := collected.notes.get(experiment.id):
            console.print(note, soft_wrap=True)
        if experiment.id in collected.fresh:
            published.write(out, experiment.id, collected.records[experiment.id])
    for section in dict.fromkeys(experiment.section_id for experiment in chosen):
        path = reports.write_section(
            library, section, collected.records, out, profile, collected.failed
        )
        console.print(f"wrote {_relative(path, library.root)}")
    path = scoreboard.write(library, collected.records, out, profile)
    console.print(f"wrote {_relative(path, library.root)}")


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _report_directory(library: Library, profile: str) -> Path:
    """Committed reports come from `laptop` runs; others stay beside the store."""
    if profile == spec.DEFAULT_PROFILE:
        return library.root / "reports"
    return library.state / "reports" / profile


def coverage(origin: str) -> list[dict[str, Any]]:
    """One object per ledger row; of the published record remembered until a file changes."""
    library = Library()

    def compute() -> list[dict[str, Any]]:
        from kerasref.harness import coverage as coverages
        from kerasref.harness.collect import collect

        return coverages.rows(library, collect(library, spec.DEFAULT_PROFILE, origin).records)

    if origin != "published":
        return compute()
    sources = [library.root / "experiments", library.root / "reports" / "data"]
    return remembered(library.state / "coverage.json", sources, compute)


def print_coverage(rows: list[dict[str, Any]]) -> None:
    """Counts per book and verdict, then the rows that have one."""
    console = _console()
    table = _table("book", "section", "id", "verdict", "experiment", "evidence")
    for row in rows:
        if row["verdict"] != "open":
            table.add_row(*(str(row[c.header]) for c in table.columns))
    console.print(table)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    summary = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
    console.print(f"{len(rows)} ledger rows: {summary}")


def data_list() -> None:
    """Print the data sources and whether they are prepared."""
    from kerasref import data

    rows = data.listing()
    table = _table(*rows[0].keys())
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    _console().print(table)


def data_prepare(name: str, directory: Path | None, force: bool) -> None:
    """Prepare one data set and say where it is."""
    from kerasref import data

    try:
        print(data.prepare(name, directory, force=force))
    except data.DataError as error:
        raise KerasrefError(str(error)) from None


def bench(names: list[str], options: Options) -> int:
    """Measure experiments of the book `bench` anew, and write its report; 1 if any run failed."""
    ids = [f"bench/{name.removeprefix('bench/')}" for name in names] or ["bench"]
    status = run(ids, options, jobs=1, threads=1, force=True, dry_run=False, cluster=None)
    report(ids, options.profile, "store", None)
    return status


def ui(port: int) -> None:
    """Open MLflow's own UI on the store; replaces this process."""
    from kerasref.harness.tracking import Store

    store = Store(Library().state)
    if not store.exists():
        raise KerasrefError("nothing has run yet; try `kerasref run dlnotes/1.1 --profile smoke`")
    print(f"MLflow UI on http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    command = ["-m", "mlflow", "ui", "--backend-store-uri", store.uri, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *command])
