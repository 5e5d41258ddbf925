"""YAML with line numbers: what is read, and what is refused in one line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasref.harness import yaml_lines
from kerasref.harness.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "file.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return yaml_lines.read(path, tmp_path)

    return read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("5E3", 5000.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        ("1_000", "1_000"),
        ("017", 17),
        ("0o17", 15),
        ("0xff", 255),
        ("-0", 0),
        ("0b1", "0b1"),
        ("0b_", "0b_"),
        ("12:30", "12:30"),
        ("2020-13-45", "2020-13-45"),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("~", None),
        ("", None),
        ("[1, a]", [1, "a"]),
        ("'1e-4'", "1e-4"),
        ("1.1.2", "1.1.2"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = yaml_lines.value(text, "here")
    assert found == value
    assert type(found) is type(value)


@given(st.floats(allow_nan=False) | st.integers() | st.booleans() | st.none())
def test_json_numbers_keep_their_type_and_value(value):
    text = {"True": "true", "False": "false", "None": "null"}.get(repr(value), repr(value))
    found = yaml_lines.value(text.replace("inf", ".inf"), "here")
    assert (found, type(found)) == (value, type(value))


def test_where_names_the_longest_part_of_a_key_that_is_there(read):
    document = read("a: 1\nb:\n  c:\n    - {x: 1}\n    - y: 2\n      z: 3\n")
    assert document.where(("b", "c", "1", "z")) == "file.yaml:6"
    assert document.where(("b", "c", 1, "q", "r")) == "file.yaml:5"
    assert document.where(("nowhere",)) == "file.yaml:1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: {c: 2, c: 3}\n", "file.yaml:2: b.c: duplicate key, first on line 2"),
        ("a: 1\na: 2\n", "file.yaml:2: a: duplicate key, first on line 1"),
        ("a: 1\n  b: 2\n", "file.yaml:2: not valid YAML: "),
        ("a: [1\nb: 2\n", "file.yaml:2: not valid YAML: "),
        ("a: @\n", "file.yaml:1: not valid YAML: "),
        ("a: 1\n---\nb: 2\n", "file.yaml:2: not valid YAML: "),
        ("\x07a: 1\n", "not valid YAML: "),
        ("", "file.yaml:1: expected a mapping of keys to values"),
        ("# only this\n", "file.yaml:1: expected a mapping of keys to values"),
        ("- a\n", "file.yaml:1: expected a mapping of keys to values"),
        ("text", "file.yaml:1: expected a mapping of keys to values"),
        (b"a: 1\nb: \xff\n", "file.yaml:2: not UTF-8 text"),
        ("a:\n  1: x\n", "file.yaml:2: a: a key is text; put quotes around this one"),
        ("true: x\n", "file.yaml:1: a key is text"),
        ("? [a]\n: x\n", "file.yaml:1: a key is text"),
        ("a: &x [1]\nb: *x\n", "file.yaml:1: b: aliases such as *this are not supported"),
        ("a: &x [*x]\n", "file.yaml:1: a.0: aliases such as *this are not supported"),
        ("a: !!set {b}\n", "file.yaml:1: a: tag !!set is not supported"),
        ("a: !!python/name:os.system ''\n", "file.yaml:1: a: tag !!python/name:os.system is"),
        ("a: !!int x\n", "not valid YAML: invalid literal for int()"),
        ("a: " + "9" * 5000, "not valid YAML: Exceeds the limit"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(read, content, message):
    with pytest.raises(ConfigError) as caught:
        read(content)
    assert message in str(caught.value)
    assert "file.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_file(tmp_path):
    (tmp_path / "directory.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"^directory.yaml: cannot be read: Is a directory$"):
        yaml_lines.read(tmp_path / "directory.yaml", tmp_path)
    with pytest.raises(ConfigError, match=r"^none.yaml: cannot be read: No such file"):
        yaml_lines.read(tmp_path / "none.yaml", tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(read):
    assert read(b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


@pytest.mark.parametrize("text", ["[1", "{a: 1, a: 2}", "a: b: c", "*x", "\x00"])
def test_a_wrong_value_names_its_place(text):
    with pytest.raises(ConfigError, match=r"^--set k=") as caught:
        yaml_lines.value(text, "--set k=v")
    assert "\n" not in str(caught.value)
