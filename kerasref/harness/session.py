"""One invocation of `kerasref run`: what is left to do, by whom, and how it went."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from kerasref.harness import runner, tracking
from kerasref.harness.errors import ConfigError
from kerasref.harness.library import Library
from kerasref.harness.plan import Options, Run
from kerasref.harness.progress import Display
from kerasref.harness.runner import Job, Outcome
from kerasref.harness.spec import Experiment
from kerasref.harness.workers import Workers

MULTIWORKER = "multiworker"


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
        lockstep = self.options.strategy.startswith(MULTIWORKER)
        todo = {id: self._unfinished(store, id, runs) for id, runs in planned.items()}
        if lockstep:  # every worker must see the same list; the chief skips run by run
            todo = planned
        done = sum(map(len, planned.values())) - sum(map(len, todo.values()))
        if done:
            self.console.print(f"{done} runs have finished already", style="dim")
        todo = {id: runs for id, runs in todo.items() if runs}
        if not todo:
            return []
        record = not lockstep or _is_chief()
        parents = self._open(store, experiments, todo) if record else dict.fromkeys(todo, "")
        outcomes: list[Outcome] = []
        try:
            jobs = self._jobs(store, todo, parents)
            with Display(self.console, len(jobs)) as display:
                if lockstep:
                    outcomes = runner.run_lockstep(jobs, display.outcome)
                else:
                    outcomes = self._run_on_workers(jobs, experiments, display)
        finally:
            if record:
                self._close(store, parents, outcomes)
        self._summary(outcomes)
        return outcomes

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
        self, jobs: list[Job], experiments: list[Experiment], display: Display
    ) -> list[Outcome]:
        with contextlib.ExitStack() as stack:
            if self.cluster:
                executor = stack.enter_context(runner.dask_executor(self.cluster))
            else:
                count = min(self.jobs or runner.default_jobs(), len(jobs))
                executor = Workers(count, display.message, self.library.state / "workers.log")
                stack.push(_end_workers(executor))
            self._preflight(executor, jobs, experiments)
            return runner.run_all(jobs, executor, display.outcome)

    def _preflight(self, executor: Any, jobs: list[Job], experiments: list[Experiment]) -> None:
        runs = list({(job.run.experiment, job.run.variant): job.run for job in jobs}.values())
        problems = executor.submit(runner.preflight, runs).result()
        if problems:
            from kerasref.harness.plan import locate

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


def _is_chief() -> bool:
    """Before any strategy exists: worker 0, by the cluster's own environment variables."""
    import json
    import os

    if config := os.environ.get("TF_CONFIG"):
        return json.loads(config).get("task", {}).get("index", 0) == 0
    return os.environ.get("SLURM_PROCID", "0") == "0"


def _end_workers(workers: Workers) -> Any:
    """Exit callback: let the workers finish, or end them at once if an error is on its way."""

    def end(kind: type[BaseException] | None, *_: Any) -> None:
        workers.shutdown(cancel_futures=kind is not None)

    return end
