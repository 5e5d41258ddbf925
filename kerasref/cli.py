"""Command line of kerasref."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from kerasref import __version__
from kerasref.harness import commands, spec
from kerasref.harness.errors import KerasrefError, did_you_mean


class _Parser(argparse.ArgumentParser):
    """argparse with one-line errors."""

    def __init__(self, *args, **kwargs):
        super().__init__(
            *args,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **kwargs,
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(value, action.choices)
            raise argparse.ArgumentError(action, f"unknown {value!r}{hint}")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # start-up notes of no use to the reader
    try:
        parsed = _parser().parse_args(arguments)
        status = parsed.command(parsed) or 0
        sys.stdout.flush()  # while a reader that has gone can still be noticed
        return status
    except KerasrefError as error:
        print(f"kerasref: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("kerasref: interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parser() -> _Parser:
    parser = _Parser(prog="kerasref", description="Run the books: experiments, checks and reports.")
    parser.add_argument("--version", action="version", version=f"kerasref {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Callable, help: str, example: str) -> _Parser:
        sub = subparsers.add_parser(
            name, help=help, description=help, epilog=f"example:\n  kerasref {example}"
        )
        sub.set_defaults(command=command)
        return sub

    sub = add("list", _list, "List experiments.", "list dlnotes/1.1")
    sub.add_argument("pattern", nargs="?", help="book, book/section, chapter (dlnotes/1) or id")

    sub = add(
        "show",
        _show,
        "Show the fully resolved configuration of every run, and its hash.",
        "show dlnotes/1.1/relu-or-tanh --profile smoke",
    )
    sub.add_argument("id")
    _add_run_options(sub)

    sub = add(
        "run",
        _run,
        "Run experiments, skipping what has finished; an interrupted run resumes.",
        "run dlnotes/1.1 --set train.epochs=20",
    )
    sub.add_argument("ids", nargs="+", metavar="ID", help="experiment id, book/section or book")
    _add_run_options(sub)
    sub.add_argument("--jobs", type=_positive, help="worker processes (default: one per core)")
    sub.add_argument(
        "--threads",
        type=_positive,
        default=1,
        help="CPU threads per run (default 1; all where speed is measured)",
    )
    sub.add_argument("--force", action="store_true", help="run again what has finished")
    sub.add_argument("--dry-run", action="store_true", help="say what would run, and run nothing")
    sub.add_argument("--cluster", metavar="ADDRESS", help="submit to this Dask scheduler")

    sub = add(
        "report",
        _report,
        "Write reports and the scoreboard from finished runs.",
        "report dlnotes/1.1",
    )
    sub.add_argument("ids", nargs="*", metavar="ID", help="book/section or book (default: all)")
    sub.add_argument("--from", dest="origin", choices=("store", "published"), default="store")
    sub.add_argument("--profile", choices=spec.PROFILES, default=spec.DEFAULT_PROFILE)
    sub.add_argument("--out", type=Path, help="directory (default: reports, for laptop)")

    sub = add("coverage", _coverage, "Say what every ledger row came to.", "coverage --json")
    sub.add_argument("--json", action="store_true", help="one JSON object per ledger row")
    sub.add_argument("--from", dest="origin", choices=("store", "published"), default="published")

    sub = add("data", None, "List or prepare data sets.", "data prepare fashion_mnist")
    actions = sub.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list",
        help="data sets and whether they are prepared",
        epilog="example:\n  kerasref data list",
    )
    listing.set_defaults(command=_data_list)
    prepare = actions.add_parser(
        "prepare",
        help="prepare a data set",
        epilog="example:\n  kerasref data prepare fashion_mnist --from ~/Downloads/fashion",
    )
    prepare.add_argument("name")
    prepare.add_argument("--from", dest="directory", type=Path, help="directory of its files")
    prepare.add_argument("--force", action="store_true", help="prepare again, replacing it")
    prepare.set_defaults(command=_data_prepare)

    sub = add(
        "launch",
        _launch,
        "Start local workers that train each run together (MultiWorkerMirroredStrategy).",
        "launch --workers 2 -- run dlnotes/1.1/relu-or-tanh",
    )
    sub.add_argument("--workers", type=_positive, required=True)
    sub.add_argument("rest", nargs=argparse.REMAINDER, metavar="-- run ...")

    sub = add(
        "bench",
        _bench,
        "Measure the speed of builders and harness anew (experiments/bench/*.yaml), and write "
        "reports/bench.md.",
        "bench twins",
    )
    sub.add_argument("names", nargs="*", metavar="NAME", help="experiments (default: all)")
    _add_run_options(sub)

    sub = add("ui", _ui, "Open MLflow's UI on the project's store.", "ui --port 5000")
    sub.add_argument("--port", type=_positive, default=5000)

    return parser


def _add_run_options(sub: _Parser) -> None:
    sub.add_argument("--profile", choices=spec.PROFILES, default=spec.DEFAULT_PROFILE)
    sub.add_argument("--seeds", type=_positive, help="number of seeds, instead of the file's")
    sub.add_argument(
        "--strategy", default="one", help="one, mirrored, mirrored:N or multiworker (default one)"
    )
    sub.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="K=V", help="change a value"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _options(args: argparse.Namespace):
    from kerasref.harness import strategy
    from kerasref.harness.plan import Options

    strategy.parse(args.strategy)
    return Options(args.profile, args.seeds, args.strategy, tuple(args.overrides))


def _list(args: argparse.Namespace) -> None:
    commands.list_experiments(args.pattern)


def _show(args: argparse.Namespace) -> None:
    commands.show(args.id, _options(args))


def _run(args: argparse.Namespace) -> int:
    return commands.run(
        args.ids,
        _options(args),
        jobs=args.jobs,
        threads=args.threads,
        force=args.force,
        dry_run=args.dry_run,
        cluster=args.cluster,
    )


def _report(args: argparse.Namespace) -> None:
    commands.report(args.ids, args.profile, args.origin, args.out)


def _coverage(args: argparse.Namespace) -> None:
    rows = commands.coverage(args.origin)
    if args.json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
    else:
        commands.print_coverage(rows)


def _data_list(_: argparse.Namespace) -> None:
    commands.data_list()


def _data_prepare(args: argparse.Namespace) -> None:
    commands.data_prepare(args.name, args.directory, args.force)


def _launch(args: argparse.Namespace) -> int:
    rest = args.rest[1:] if args.rest[:1] == ["--"] else args.rest
    if rest[:1] != ["run"]:
        raise KerasrefError("launch wants a run command after --, such as `-- run dlnotes/1.1`")
    from kerasref.harness import launch

    rest += ["--strategy", "multiworker"]
    parsed = _parser().parse_args(rest)
    commands.check(parsed.ids, _options(parsed))
    command = [sys.executable, "-m", "kerasref", *rest]
    return launch.launch(args.workers, command)


def _bench(args: argparse.Namespace) -> int:
    return commands.bench(args.names, _options(args))


def _ui(args: argparse.Namespace) -> None:
    commands.ui(args.port)
