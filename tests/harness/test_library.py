"""The shelf: home, names, ledgers."""

import pytest

from kerasref.harness.errors import ConfigError, KerasrefError
from kerasref.harness.library import Library, home, split_section


def place(root, *ids):
    for id in ids:
        path = root / "experiments" / f"{id}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        book, section = split_section(id.rpartition("/")[0])
        path.write_text(
            f"id: {id}\ntitle: T\nquestion: Q\ntask: classify\nvariants: {{a: {{}}}}\n"
            f"source: {{book: {book}, section: '{section}', ledger: [A1-1]}}\n"
        )
        ledger = root / "experiments" / book / "ledger.csv"
        ledger.write_text("id,chapter,section,kind,class,title,gold\nA1-1,1,,claim,trend,T,\n")
    return Library(root)


def test_home_is_the_nearest_directory_with_experiments(tmp_path, monkeypatch):
    inner = tmp_path / "a" / "b"
    (tmp_path / "experiments").mkdir()
    inner.mkdir(parents=True)
    monkeypatch.delenv("KERASREF_HOME", raising=False)
    monkeypatch.chdir(inner)
    assert home() == tmp_path
    monkeypatch.setenv("KERASREF_HOME", "../..")
    assert home() == tmp_path
    monkeypatch.setenv("KERASREF_HOME", str(inner))
    with pytest.raises(KerasrefError, match=r"KERASREF_HOME=.*has no directory experiments/$"):
        home()


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("one", ["one/1.1/a", "one/1.1/a.b", "one/1.2/c", "one/11/d"]),
        ("one/1", ["one/1.1/a", "one/1.1/a.b", "one/1.2/c"]),
        ("one/1.1", ["one/1.1/a", "one/1.1/a.b"]),
        ("one/1.1/", ["one/1.1/a", "one/1.1/a.b"]),
        ("one/1.1/a", ["one/1.1/a"]),
        ("one/11", ["one/11/d"]),
        ("all", ["one/1.1/a", "one/1.1/a.b", "one/1.2/c", "one/11/d", "two/1.1/a"]),
    ],
)
def test_patterns(tmp_path, pattern, found):
    library = place(tmp_path, "one/1.1/a", "one/1.1/a.b", "one/1.2/c", "one/11/d", "two/1.1/a")
    assert [experiment.id for experiment in library.select([pattern])] == found
    assert [experiment.id for experiment in library.select([pattern, pattern])] == found


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("on", "nothing is called 'on'; did you mean 'one'?"),
        ("one/1.1/alpa", "nothing is called 'one/1.1/alpa'; did you mean 'one/1.1/alpha'?"),
        ("", "nothing is called ''"),
        ("/", "nothing is called '/'"),
        ("../one", "did you mean 'one'?"),
        ("empty", "'empty' has no experiments yet"),
    ],
)
def test_names_that_name_nothing(tmp_path, pattern, message):
    library = place(tmp_path, "one/1.1/alpha")
    (tmp_path / "experiments" / "empty").mkdir()
    (tmp_path / "experiments" / "empty" / "ledger.csv").write_text("id\n")
    with pytest.raises(ConfigError) as caught:
        library.select([pattern])
    assert message in str(caught.value)


def test_a_broken_neighbour_does_not_matter_until_it_is_asked_for(tmp_path):
    library = place(tmp_path, "one/1.1/a", "one/1.2/b")
    library.paths["one/1.2/b"].write_text("{")
    assert len(library.select(["one/1.1"])) == 1
    with pytest.raises(ConfigError, match=r"^experiments/one/1.2/b.yaml:\d+: not valid YAML"):
        library.select(["one"])


def test_the_ledger_keeps_its_order_and_a_chapter_stands_in_for_a_section(tmp_path):
    library = place(tmp_path, "one/1.1/a")
    (tmp_path / "experiments/one/ledger.csv").write_text(
        'id,chapter,section,kind,class,title,gold\nB,2,2.1,claim,trend,"x\ny",\nA,1,,table,exact,T,3\n',
        encoding="utf-8",
    )
    rows = library.ledger["one"]
    assert list(rows) == ["B", "A"]
    assert [rows[id].section for id in rows] == ["2.1", "chapter 1"]
    assert (rows["A"].kind, rows["A"].cls, rows["A"].gold) == ("table", "exact", "3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,chapter,section,kind,class,title\nA,1,,claim,trend,T\n", ":2: no column 'gold'"),
        (b"id,chapter,section,kind,class,title,gold\nA,1\n", ":2: expected 7 columns"),
        (b"id,chapter,section,kind,class,title,gold\nA,1,,c,t,T,,x\n", ":2: expected 7 columns"),
        (b"id,chapter,section,kind,class,title,gold\nA,1,,c,t,T,\nA,1,,c,t,T,\n", ":3: id A stand"),
        (b"id\n\xff\n", ": not UTF-8 text"),
    ],
)
def test_wrong_ledgers(tmp_path, content, message):
    library = place(tmp_path, "one/1.1/a")
    (tmp_path / "experiments/one/ledger.csv").write_bytes(content)
    with pytest.raises(KerasrefError) as caught:
        library.experiment("one/1.1/a")
    assert str(caught.value).startswith(f"experiments/one/ledger.csv{message}")
