"""Results that are remembered until a file changes."""

import json

from kerasref.harness.remember import remembered


def test_a_result_is_computed_again_only_when_a_file_changes(tmp_path):
    source, place = tmp_path / "source", tmp_path / "state" / "result.json"
    source.mkdir()
    (source / "a.yaml").write_text("1")
    calls = []

    def ask():
        return remembered(place, [source], lambda: calls.append(1) or {"calls": len(calls)})

    assert ask() == ask() == {"calls": 1}
    (source / "a.yaml").write_text("10")
    assert ask() == ask() == {"calls": 2}
    (source / "b.yaml").write_text("")
    assert ask() == {"calls": 3}
    (source / "b.yaml").unlink()
    assert ask() == {"calls": 4}


def test_a_damaged_file_is_as_good_as_none(tmp_path):
    place = tmp_path / "result.json"
    for content in ("{", "[]", json.dumps({"key": "old"})):
        place.write_text(content)
        assert remembered(place, [], lambda: 7) == 7
    assert json.loads(place.read_text())["result"] == 7
