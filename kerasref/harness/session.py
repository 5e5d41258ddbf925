"""One invocation of `kerasref run`: what is left to do, by whom, and how it went."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from kerasref.harness import runner, tracking
from kerasref.harness.errors import ConfigError
from kerasref.harness.library import Library
from kerasref.harness.plan import Options, Run, locate
from kerasref.harness.progress import Display
from kerasref.harness.runner import Job, Outcome
from kerasref.harness.spec import Experiment
from kerasref.harness.workers import Workers


@dataclass
class Session:
    """Settings of one invocation; see `kerasref run --help`."""

    library: Library
    options: Options
    jobs: int | None
    threads: int
    force: bool
    cluster: str | None
    console: Any

    def run(self, experiments: list[Experiment], planned: dict[str, list[Run]]) -> list[Outcome]:
        """Run what has not finished; prints progress and a summary."""
        store = tracking.Store(self.library.state)
        if self.options.strategy == "multiworker":
            return self._run_with_others(store, experiments, planned)
        todo = {id: self._unfinished(store, id, runs) for id, runs in planned.items()}
        for experiment in experiments:
            if not planned[experiment.id]:
                self.console.print(
                    f"{experiment.id}: needs profile {experiment.needs}", style="dim"
                )
        done = sum(map(len, planned.values())) - sum(map(len, todo.values()))
        if done:
            self.console.print(f"{done} runs have finished already", style="dim")
        todo = {id: runs for id, runs in todo.items() if runs}
        with self._recording(store, experiments, todo) as (parents, outcomes):
            jobs = self._jobs(store, todo, parents)
            if jobs:
                with Display(self.console, len(jobs)) as display:
                    self._run_on_workers(jobs, experiments, display, outcomes)
        return outcomes

    def _run_with_others(
        self, store: tracking.Store, experiments: list[Experiment], planned: dict[str, list[Run]]
    ) -> list[Outcome]:
        """Every worker of the cluster goes through the same list; its chief skips and records."""
        from kerasref.harness import strategy as strategies

        strategy = strategies.start(self.options.strategy, self.threads)
        recording = self._recording(store, experiments, planned)
        if not strategies.is_chief(strategy):
            recording = contextlib.nullcontext((dict.fromkeys(planned, ""), []))
        with recording as (parents, outcomes):
            jobs = self._jobs(store, planned, parents)
            with Display(self.console, len(jobs)) as display:
                outcomes += runner.run_lockstep(strategy, jobs, display.outcome)
        return outcomes

    @contextlib.contextmanager
    def _recording(
        self, store: tracking.Store, experiments: list[Experiment], todo: dict[str, list[Run]]
    ) -> Iterator[tuple[dict[str, str], list[Outcome]]]:
        """Parent runs of this invocation by experiment id, and a list for the outcomes."""
        parents = self._open(store, experiments, todo)
        outcomes: list[Outcome] = []
        try:
            yield parents, outcomes
        finally:
            self._close(store, parents, outcomes)
        self._summary(outcomes)

    def _unfinished(self, store: tracking.Store, id: str, runs: list[Run]) -> list[Run]:
        finished = set() if self.force or not store.exists() else store.finished_hashes(id)
        return [run for run in runs if run.hash not in finished]

    def _jobs(self, store: tracking.Store, todo: dict, parents: dict[str, str]) -> list[Job]:
        commit = tracking.commit(self.library.root)
        return [
            Job(run, self.library.root, store.uri, parents[id], commit, self.threads, self.force)
            for id, runs in todo.items()
            for run in runs
        ]

    def _run_on_workers(
        self,
        jobs: list[Job],
        experiments: list[Experiment],
        display: Display,
        outcomes: list[Outcome],
    ) -> None:
        """Run the jobs side by side, then, one at a time, those that need the machine alone."""

        def ended(outcome: Outcome) -> None:
            outcomes.append(outcome)
            display.outcome(outcome)

        alone = [replace(job, threads=runner.cores()) for job in jobs if job.exclusive]
        shared = [job for job in jobs if not job.exclusive]
        waves = [wave for wave in (shared, *([job] for job in alone)) if wave]
        for number, wave in enumerate(waves):
            with self._executor(wave, display) as executor:
                if number == 0:
                    self._preflight(executor, jobs, experiments)
                runner.run_all(wave, executor, ended)

    def _executor(self, jobs: list[Job], display: Display) -> contextlib.AbstractContextManager:
        if self.cluster:
            return runner.dask_executor(self.cluster)
        log = self.library.state / "workers.log"
        if jobs[0].exclusive:
            return Workers(1, display.message, log, warm=False)
        return Workers(min(self.jobs or runner.cores(), len(jobs)), display.message, log)

    def _preflight(self, executor: Any, jobs: list[Job], experiments: list[Experiment]) -> None:
        runs = list({(job.run.experiment, job.run.variant): job.run for job in jobs}.values())
        problems = executor.submit(runner.preflight, runs, self.threads).result()
        if problems:
            run, key, message = problems[0]
            experiment = next(e for e in experiments if e.id == run.experiment)
            raise ConfigError(message, key, locate(experiment, run.variant, self.options, key))

    def _open(
        self, store: tracking.Store, experiments: list[Experiment], todo: dict[str, list[Run]]
    ) -> dict[str, str]:
        tags = {
            "name": f"{self.options.profile} {self.options.strategy}",
            "kind": "invocation",
            "profile": self.options.profile,
            "overrides": " ".join(self.options.overrides),
        }
        titles = {experiment.id: experiment.title for experiment in experiments}
        return {id: store.begin_invocation(id, titles[id], tags) for id in todo}

    def _close(
        self, store: tracking.Store, parents: dict[str, str], outcomes: list[Outcome]
    ) -> None:
        for id, parent in parents.items():
            statuses = [outcome.status for outcome in outcomes if outcome.run.experiment == id]
            store.end_invocation(parent, failed=not statuses or "failed" in statuses)

    def _summary(self, outcomes: list[Outcome]) -> None:
        if not outcomes:
            return
        counts = Counter(outcome.status for outcome in outcomes)
        self.console.print(", ".join(f"{n} {status}" for status, n in counts.items()))
        for outcome in outcomes:
            if outcome.status == "failed":
                self.console.print(
                    f"failed: {outcome.run.experiment} {outcome.run.name}: {outcome.message}",
                    style="red",
                    markup=False,
                    soft_wrap=True,
                )
