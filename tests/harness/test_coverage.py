import time
from pathlib import Path

import pytest

from kerasref.harness import coverage, scoreboard
from kerasref.harness.library import Library

KEYS = ["book", "section", "id", "kind", "class", "verdict", "experiment", "evidence"]
ID = "notes/1.1/activations"


def _by_id(rows):
    return {row["id"]: row for row in rows}


def test_one_object_per_ledger_row_open_without_runs(make_library):
    rows = coverage.rows(make_library(), {})
    assert [row["id"] for row in rows] == ["A1-1", "A1-2", "M1-1", "M1-2", "A2-1", "F1.9"]
    assert all(list(row) == KEYS for row in rows)
    assert all(isinstance(value, str) for row in rows for value in row.values())
    assert {row["verdict"] for row in rows} == {"open"}
    assert _by_id(rows)["A2-1"]["experiment"] == ""
    assert _by_id(rows)["F1.9"]["section"] == "chapter 1"


def test_verdicts_of_rows(make_library, activation_runs):
    rows = _by_id(coverage.rows(make_library(), {ID: activation_runs}))
    words = {id: row["verdict"] for id, row in rows.items()}
    assert words == {
        "A1-1": "reproduced",
        "A1-2": "reproduced",
        "M1-1": "match",
        "M1-2": "erratum",
        "A2-1": "open",
        "F1.9": "open",
    }


def test_evidence_has_the_statistic_the_surrogate_and_what_remains(make_library, activation_runs):
    rows = _by_id(coverage.rows(make_library(), {ID: activation_runs}))
    evidence = rows["A1-1"]["evidence"]
    assert "`train_loss` is lower for `relu` than for `tanh` at every epoch" in evidence
    assert "5 seeds" in evidence
    assert "the book used MNIST; these runs used Fashion-MNIST" in evidence
    assert evidence.endswith("1 claim at full scale remaining")
    assert rows["F1.9"]["experiment"] == ID
    assert rows["F1.9"]["evidence"] == "named by an experiment that states no claim about it"


def test_a_row_of_two_experiments_takes_the_worse(make_library, make_runs):
    def experiment(name, equals):
        return f"""\
            id: notes/1.1/{name}
            title: {name}
            source: {{book: notes, section: "1.1", ledger: [M1-1]}}
            question: How many?
            task: structure
            variants: {{a: {{}}}}
            claims: [{{id: M1-1, metric: params, of: a, equals: {equals}}}]
            """

    library = make_library(one=experiment("one", 5), two=experiment("two", 6))
    records = {
        f"notes/1.1/{name}": make_runs("a", experiment=f"notes/1.1/{name}", params=[5.0])
        for name in ("one", "two")
    }
    row = _by_id(coverage.rows(library, records))["M1-1"]
    assert row["verdict"] == "mismatch"
    assert row["experiment"] == "notes/1.1/one, notes/1.1/two"
    del records["notes/1.1/two"]
    row = _by_id(coverage.rows(library, records))["M1-1"]
    assert row["verdict"] == "match"
    assert row["evidence"].endswith("; 1 claim without runs")


def test_scoreboard_counts_and_links(make_library, activation_runs, tmp_path):
    out = tmp_path / "out"
    (out / "notes").mkdir(parents=True)
    (out / "notes/1.1.md").touch()
    text = scoreboard.write(make_library(), {ID: activation_runs}, out).read_text()
    assert (
        "**6 ledger rows: 1 match (1 on surrogate data), 2 reproduced (2 on surrogate data), "
        "1 erratum (1 on surrogate data), 2 open.**" in text
    )
    assert "| 1.1 | 起源 · Origins | [1.1](notes/1.1.md) | 4 | 1 | 2 | 1 |  |  |  |  |  |" in text
    # A row of the chapter is reported where its experiment is.
    assert "| chapter 1 |  | [1.1](notes/1.1.md) | 1 |  |  |  |  |  |  |  | 1 |" in text
    assert "| 1.2 |  |  | 1 |  |  |  |  |  |  |  | 1 |" in text


def test_sections_stand_in_the_books_order(make_library, tmp_path):
    library = make_library()
    ledger = library.root / "experiments/notes/ledger.csv"
    sections = ["1.10", "1.9", "B", "A", "1.1"]
    lines = [f"Z{n},1,{section},claim,exact,t," for n, section in enumerate(sections)]
    ledger.write_text("\n".join([ledger.read_text().rstrip(), *lines, ""]), encoding="utf-8")
    text = scoreboard.write(Library(library.root), {}, tmp_path / "out").read_text()
    heads = [line.split("|")[1].strip() for line in text.split('id="notes"')[1].splitlines()[6:-1]]
    assert heads == ["chapter 1", "1.1", "1.2", "1.9", "1.10", "B", "A"]


def test_scoreboard_links_only_to_reports_that_exist(make_library, tmp_path):
    text = scoreboard.write(make_library(), {}, tmp_path / "out").read_text()
    assert "1.1.md" not in text


@pytest.mark.timing
def test_all_ledgers_in_a_second(race, tmp_path):
    library = Library(Path(__file__).resolve().parents[2])

    def seconds():
        began = time.perf_counter()
        rows = coverage.rows(library, {})
        scoreboard.write(library, {}, tmp_path)
        taken = time.perf_counter() - began
        assert len(rows) == sum(map(len, library.ledger.values()))
        return taken

    race(lambda call: call < 1, call=seconds)
