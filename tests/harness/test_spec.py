"""Experiments from YAML: everything wrong is said in one line with file, line and key."""

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kerasref.harness import spec
from kerasref.harness.errors import ConfigError
from kerasref.harness.library import Library

GOOD = """\
id: notes/1.1/trial
title: Trial
source: {book: notes, section: 1.1.1, ledger: [A1-1]}
question: Which?
task: classify
base:
  model: {builder: LeNet5Keras}
  seeds: 5
variants:
  tanh: {}
  relu: {model.activation: relu}
profiles: {smoke: {seeds: 1}}
claims:
  - {id: A1-1, metric: test_loss, lower: relu, than: tanh}
  - id: M1-1
    metric: params
    of: relu
    equals: 60850
table:
  caption: Table
  columns: [params]
  book: {tanh: {params: 60850}}
figures:
  - {kind: bars, metric: params, variants: [tanh, relu]}
"""


@pytest.fixture
def load(make_library):
    def load(text):
        return make_library(trial=text).experiment("notes/1.1/trial")

    return load


def problem(load, old, new):
    """The message about GOOD with `old` replaced."""
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load(GOOD.replace(old, new))
    message = str(caught.value)
    assert "\n" not in message
    file, message = message.split("1.1/trial.yaml:")
    assert file == "experiments/notes/"
    return message


def test_a_good_file(load):
    experiment = load(GOOD)
    assert list(experiment.variants) == ["tanh", "relu"]
    assert [claim.variants for claim in experiment.claims] == [("relu", "tanh"), ("relu",)]
    assert experiment.ledger_ids == ("A1-1", "M1-1")
    assert experiment.where("claims", "1", "of") == "experiments/notes/1.1/trial.yaml:17"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # keys
        ("title: Trial", "titel: Trial", "2: titel: unknown key 'titel'; did you mean 'title'?"),
        ("claims:\n", "clams:\n", "13: clams: unknown key 'clams'; did you mean 'claims'?"),
        ("question: Which?\n", "", "1: question: the key 'question' is missing"),
        (
            "lower: relu, than",
            "lower: relu, then",
            "14: claims.0.then: unknown key 'then'; did you",
        ),
        ("than: tanh}", "than: tanh, bye: 1}", "unknown key 'bye'; did you mean 'by'?"),
        (
            "    of: relu\n",
            "    off: relu\n    of: tanh\n",
            "17: claims.1.off: unknown key 'off'; d",
        ),
        ("  caption: Table\n", "  captain: T\n", "20: table.captain: unknown key 'captain'; did"),
        (
            "kind: bars, ",
            "kind: bars, lug: true, ",
            "24: figures.0.lug: unknown key 'lug'; did you",
        ),
        ("book: notes, section", "bok: notes, section", "3: source.bok: unknown key 'bok'; did"),
        ("title: Trial\n", "title: Trial\ntitle: x\n", "3: title: duplicate key, first on line 2"),
        # types
        ("title: Trial", "title: 5", "2: title: should be text (got 5)"),
        ("title: Trial", "title:", "2: title: should be text (got None)"),
        ("title: Trial", "title: [a]", "2: title: should be text"),
        ("section: 1.1.1", "section: 1.1", "3: source.section: should be text (got 1.1)"),
        ("ledger: [A1-1]}", "ledger: A1-1}", "3: source.ledger: should be a valid list (got 'A"),
        ("ledger: [A1-1]}", "ledger: []}", "3: source.ledger: list should have at least 1 item"),
        ("  tanh: {}\n", "  tanh: 5\n", "10: variants.tanh: should be a mapping of keys to value"),
        ("  tanh: {}\n", "  same: 5\n", "10: variants.same: should be a mapping of keys to value"),
        ("equals: 60850\n", "equals: many\n", "18: claims.1.equals: should be a whole number or a"),
        ("equals: 60850\n", "equals: true\n", "18: claims.1.equals: should be a whole number or a"),
        ("equals: 60850\n", "equals: .nan\n", "18: claims.1.equals: "),
        (
            "than: tanh}",
            "than: tanh, epochs: evry}",
            "14: claims.0.epochs: should be 'every' or a ",
        ),
        ("than: tanh}", "than: tanh, by: -1}", "14: claims.0.by: should be greater than or equal"),
        ("book: {tanh: {params: 60850}}", "book: {tanh: {params: [1]}}", "table.book.tanh.params:"),
        (
            "kind: bars, ",
            "kind: bar, ",
            "24: figures.0.kind: should be 'learning_curve', 'bars' or",
        ),
        ("kind: bars, ", "kind: bars, log: no, ", "24: figures.0.log: should be a valid boolean"),
        ("{smoke: {seeds: 1}}", "{smok: {seeds: 1}}", "12: profiles.smok: should be 'smoke', 'lap"),
        ("task: classify", "task: classify\nneeds: papr", "6: needs: should be 'smoke', 'laptop'"),
        # variants
        ("lower: relu", "lower: rely", "14: claims.0: variant 'rely' does not exist; did you mea"),
        (
            "    of: relu",
            "    of: tan",
            "15: claims.1: variant 'tan' does not exist; did you mean ",
        ),
        ("book: {tanh", "book: {tan", "22: table.book.tan: variant 'tan' does not exist; did yo"),
        ("[tanh, relu]", "[tanh, sigmoid]", "24: figures.0: variant 'sigmoid' does not exist"),
        # claims
        ("lower: relu, than: tanh", "of: relu", "14: claims.0: a claim is a mapping with exactly"),
        ("lower: relu, ", "lower: relu, equals: 1, ", "14: claims.0: a claim is a mapping with ex"),
        ("lower: relu, ", "lower: relu, higher: tanh, ", "give exactly one of higher and lower"),
        ("than: tanh}", "than: relu}", "14: claims.0: compares 'relu' with itself"),
        ("equals: 60850\n", "at_least: 1\n    at_most: 2\n", "15: claims.1: give exactly one of a"),
        (
            "  - {id: A1-1, metric",
            "  - five\n  - {id: A1-1, metric",
            "14: claims.0: a claim is a ma",
        ),
        # ledger, place
        ("[A1-1]}", "[A1-1, A1-9]}", "3: source.ledger: 'A1-9' is not in the ledger of notes; di"),
        ("{id: A1-1, m", "{id: A1-l, m", "14: claims.0.id: 'A1-l' is not in the ledger of notes"),
        ("id: notes/1.1/trial", "id: notes/1.1/trail", "1: id: is 'notes/1.1/trail'; the file's"),
        ("{book: notes", "{book: note", "3: source.book: is 'note'; the file's place says 'notes'"),
    ],
)
def test_wrong_files(load, old, new, message):
    found = problem(load, old, new)
    assert message in found
    assert re.match(r"\d+: ", found)


def test_a_section_titles_typo_is_found_in_book_yaml(make_library):
    library = make_library()
    path = library.root / "experiments/notes/book.yaml"
    path.write_text(path.read_text("utf-8").replace("en: Origins", "eng: Origins"), "utf-8")
    with pytest.raises(ConfigError, match=r"book.yaml:4: sections.1.1.e\w+: .*'en"):
        _ = Library(library.root).books


SCRAPS = [
    "",
    "null",
    "5",
    "1e-4",
    "[]",
    "{}",
    "- x",
    "x: y",
    "&a",
    "*a",
    "!!set",
    "'",
    '"',
    "{",
    "\n",
]


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD)),
            st.integers(0, 12),
            st.sampled_from(SCRAPS) | st.text(max_size=4),
        ),
        min_size=1,
        max_size=3,
    )
)
@example([(0, len(GOOD), "")])
def test_no_mutation_of_a_file_yields_a_traceback(make_library, edits):
    text = GOOD
    for start, length, new in edits:
        text = text[:start] + new + text[start + length :]
    library = make_library()
    path = library.root / "experiments/notes/1.1/trial.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = library.experiment("notes/1.1/trial")
    except ConfigError as error:
        found = error
    if isinstance(found, ConfigError):
        assert len(str(found).splitlines()) == 1
        assert "experiments/notes/1.1/trial.yaml" in str(found)
    else:
        assert isinstance(found, spec.Experiment)
