"""The command line: help, names, speed, and messages instead of tracebacks."""

import json
import os
import subprocess
import sys
import time

import pytest

from kerasref import cli

COMMANDS = {
    "list": ["list"],
    "show": ["show"],
    "run": ["run"],
    "report": ["report"],
    "coverage": ["coverage"],
    "data list": ["data", "list"],
    "data prepare": ["data", "prepare"],
    "launch": ["launch"],
    "bench": ["bench"],
    "ui": ["ui"],
}
BODY = """\
base: {seeds: 2}
variants: {one: {}, two: {value: 2}}
claims: [{id: A1-2, metric: loss, lower: one, than: two}]
"""


@pytest.fixture
def shelf(project):
    """A project with two experiments."""
    project.add("first", BODY)
    project.add("second", BODY.replace("seeds: 2", "seeds: 1"))
    return project


@pytest.fixture
def main(capsys):
    """`kerasref ARGUMENTS` in this process: (status, output, error output)."""

    def main(*arguments):
        try:
            status = cli.main(list(arguments))
        except SystemExit as exit:
            status = exit.code
        return (status, *capsys.readouterr())

    return main


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_that_parses(main, command):
    status, out, _ = main(*COMMANDS[command], "--help")
    assert status == 0
    _, _, example = out.partition("example:\n  kerasref ")
    words = example.split("\n")[0].split()
    assert words[: len(COMMANDS[command])] == COMMANDS[command]
    cli._parser().parse_args(words)


def test_help_names_every_command(main):
    status, out, _ = main("--help")
    assert status == 0
    assert all(f"\n    {words[0]} " in out for words in COMMANDS.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lsit", "unknown 'lsit'; did you mean 'list'?"),
        ("", "COMMAND"),
        ("data prepere", "unknown 'prepere'; did you mean 'prepare'?"),
        ("run manual --profile laptpo", "unknown 'laptpo'; did you mean 'laptop'?"),
        ("report --from stor", "unknown 'stor'; did you mean 'store'?"),
        ("run manual --jobs 0", "expected a whole number of at least 1, got '0'"),
        ("run manual --seeds many", "expected a whole number of at least 1, got 'many'"),
        ("run manual --sed 1", "unrecognized arguments: --sed"),
        ("run", "the following arguments are required: ID"),
        ("list manaul", "nothing is called 'manaul'; did you mean 'manual'?"),
        ("show manual/1.1/frist", "did you mean 'manual/1.1/first'?"),
        ("show manual", "'manual' names 2 experiments; show wants one, such as manual/1.1/first"),
        ("show manual/1.1/first --set vale=2", "vale: unknown key 'vale'; did you mean 'value'?"),
        ("run manual/1.1/frist", "did you mean 'manual/1.1/first'?"),
        ("run manual/1.2", "did you mean 'manual/1.1'?"),
        ("run manual --set value", "--set wants key=value"),
        ("run manual --strategy mirored", "no strategy 'mirored'; did you mean 'mirrored'?"),
        ("show manual/1.1/first --strategy mirrored:0", "no strategy 'mirrored:0'"),
        ("run manual --strategy multiworker", "needs TF_CONFIG or a Slurm step"),
        ("report manaul", "nothing is called 'manaul'; did you mean 'manual'?"),
        ("data prepare minst", "no data source 'minst'; did you mean 'mnist'?"),
        ("launch --workers 2 -- rnu manual", "launch wants a run command after --"),
        ("launch --workers 2 -- run manaul", "did you mean 'manual'?"),
        ("launch --workers 2 -- run manual --set vale=2", "did you mean 'value'?"),
        ("launch --workers 0 -- run manual", "expected a whole number of at least 1"),
        ("launch -- run manual", "--workers"),
        ("ui", "nothing has run yet"),
    ],
)
def test_bad_input_is_one_line_and_status_2(shelf, main, monkeypatch, arguments, message):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("SLURM_STEP_NODELIST", raising=False)
    status, out, err = main(*arguments.split())
    assert (status, out) == (2, "")
    assert err.startswith("kerasref")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("words", ["run manual", "launch --workers 2 -- run manual"])
def test_another_backend_is_refused(shelf, main, monkeypatch, words):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    message = (
        "kerasref: KERAS_BACKEND is 'jax': builders work there, experiments want 'tensorflow'\n"
    )
    assert main(*words.split()) == (2, "", message)


def test_a_wrong_file_names_its_line(shelf, main):
    shelf.add("third", "variants: {a: {}}\nclams: []\n")
    assert main("list") == (
        2,
        "",
        "kerasref: experiments/manual/1.1/third.yaml:7: clams: unknown key 'clams'; "
        "did you mean 'claims'?\n",
    )
    assert main("list", "manual/1.1/first")[0] == 0


def test_list(shelf, main):
    status, out, err = main("list")
    assert (status, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split() == ["experiment", "variants", "seeds", "takes", "question"]
    assert [row.split()[:3] for row in rows] == [
        ["manual/1.1/first", "2", "2"],
        ["manual/1.1/second", "2", "1"],
    ]


def test_markup_in_a_question_is_text(shelf, main):
    path = shelf.root / "experiments/manual/1.1/first.yaml"
    path.write_text(path.read_text().replace("Which?", "'Is x in [a, b] or [/b]?'"))
    assert "Is x in [a, b] or [/b]?" in main("list")[1]


def test_show_resolves_everything(shelf, main):
    import yaml

    status, out, _ = main("show", "manual/1.1/first", "--seeds", "1", "--set", "epochs=7")
    assert status == 0
    documents = [document for document in yaml.safe_load_all(out) if document]
    assert [(d["variant"], d["seed"], d["value"], d["epochs"]) for d in documents] == [
        ("one", 0, 1.0, 7),
        ("two", 0, 2.0, 7),
    ]
    _, dry, _ = main("run", "manual/1.1/first", "--seeds", "1", "--set", "epochs=7", "--dry-run")
    assert [line.split()[0] for line in dry.splitlines()[1:]] == [d["hash"] for d in documents]
    assert not shelf.state.exists()


def test_coverage_has_one_object_per_ledger_row(shelf, main):
    status, out, _ = main("coverage", "--json")
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["id"] for row in rows] == ["A1-1", "A1-2", "M1-1"]
    keys = ["book", "section", "id", "kind", "class", "verdict", "experiment", "evidence"]
    assert all(list(row) == keys for row in rows)
    assert [row["verdict"] for row in rows] == ["open"] * 3
    assert rows[1]["experiment"] == "manual/1.1/first, manual/1.1/second"
    assert rows[2]["experiment"] == ""
    status, out, _ = main("coverage")
    assert status == 0
    assert "3 ledger rows: 3 open" in out


def test_data_list(main):
    status, out, _ = main("data", "list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()][:2] == ["name", "digits"]


def test_a_reader_that_leaves_early_is_no_error(shelf):
    process = shelf.start("coverage", "--json")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(30) == 141


FAST = [
    "list",
    "list dlnotes/1.1",
    "show dlnotes/1.1/relu-or-tanh",
    "coverage --json",
    "data list",
    "run dlnotes/1.1 --dry-run",
    "run dlnotes/1.1/rely-or-tanh",
    "data prepare minst",
    "--help",
    "run --help",
]


@pytest.fixture
def in_a_fresh_process():
    def run(code_or_arguments):
        environment = {k: v for k, v in os.environ.items() if k != "KERASREF_HOME"}
        return subprocess.run(
            [sys.executable, *code_or_arguments], env=environment, capture_output=True, text=True
        )

    return run


@pytest.mark.parametrize("arguments", FAST)
def test_no_tensor_no_tensorflow(in_a_fresh_process, arguments):
    code = (
        "import sys\n"
        "from kerasref.cli import main\n"
        "try:\n"
        f"    main({arguments.split()!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'matplotlib', 'tensorflow_datasets'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = in_a_fresh_process(["-c", code])
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timing
@pytest.mark.parametrize("arguments", FAST)
def test_what_needs_no_tensor_takes_less_than_a_second(race, in_a_fresh_process, arguments):
    def seconds():
        began = time.perf_counter()
        in_a_fresh_process(["-m", "kerasref", *arguments.split()])
        return time.perf_counter() - began

    race(lambda call: call < 1, call=seconds)
