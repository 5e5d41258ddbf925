"""What the user sees while runs go on: a bar over all runs and one per run in progress."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from kerasref.harness.runner import Outcome

_STYLE = {"finished": "green", "skipped": "dim", "failed": "red"}


class Display:
    """Live progress on a terminal; elsewhere one line per finished run."""

    def __init__(self, console: Console, total: int):
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._all = self._progress.add_task("all", total=total, unit="runs")
        self._bars: dict[str, TaskID] = {}
        self._done = 0
        self._total = total

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def message(self, message: tuple) -> None:
        """A worker's report: `("progress", hash, name, done, total, unit)` or `("end", hash)`."""
        kind, hash, *rest = message
        if kind == "end":
            if hash in self._bars:
                self._progress.remove_task(self._bars.pop(hash))
            return
        name, done, total, unit = rest
        if hash not in self._bars:
            self._bars[hash] = self._progress.add_task(name, total=total, unit=unit)
        self._progress.update(self._bars[hash], completed=done, total=total)

    def outcome(self, outcome: Outcome) -> None:
        """A run came to its end."""
        self.message(("end", outcome.run.hash))  # a worker that died did not say so
        self._done += 1
        self._progress.update(self._all, completed=self._done)
        style = _STYLE[outcome.status]
        line = (
            f"[{self._done}/{self._total}] {outcome.run.experiment} {outcome.run.name}: "
            f"{outcome.status}"
        )
        if outcome.status == "finished":
            line += f" in {outcome.seconds:.1f} s"
        if outcome.message:
            line += f": {outcome.message}"
        self._console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)
