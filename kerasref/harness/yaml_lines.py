"""YAML that remembers on which line every key stands.

YAML 1.2's core scalars are used: `1e-4` is a number (not a string, as YAML 1.1 has it) and
`no`, `on`, `12:30` and `2020-01-01` are strings. Aliases and tags such as `!!set` are refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from kerasref.harness.errors import ConfigError

Path_ = tuple[str, ...]


_TAG = "tag:yaml.org,2002:"
_KINDS = {_TAG + kind for kind in ("null", "bool", "int", "float", "str", "seq", "map")}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    yaml_implicit_resolvers = {}

    def construct_int(self, node: yaml.ScalarNode) -> int:
        digits = self.construct_scalar(node)
        return int(digits, {"0o": 8, "0x": 16}.get(digits[:2], 10))


_Loader.add_constructor(_TAG + "int", _Loader.construct_int)

for _kind, _rule, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(_rule), _first)


class Document:
    """A parsed YAML file: `data`, and the line of every key path in it."""

    def __init__(self, path: Path, data: Any, lines: dict[Path_, int], name: str):
        self.path, self.data, self.lines, self.name = path, data, lines, name

    def where(self, key: Path_) -> str:
        """`file:line` of the longest prefix of `key` that the file contains."""
        key = tuple(map(str, key))
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.name}:{self.lines.get(key, 1)}"


def read(path: Path, root: Path | None = None) -> Document:
    """Read one YAML file; file names in messages are relative to `root`.

    Raises:
        ConfigError: unreadable file, YAML syntax error, duplicate key, or not a mapping.
    """
    name = str(path.relative_to(root)) if root and path.is_relative_to(root) else str(path)
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=name) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8 text", where=f"{name}:{line}") from None
    data, lines = _parse(text, name)
    if not isinstance(data, dict):
        raise ConfigError("expected a mapping of keys to values", where=f"{name}:1")
    return Document(path, data, lines, name)


def value(text: str, where: str) -> Any:
    """The value of a piece of YAML, such as `0.1` or `[1, 2]`; `where` it stands, for messages.

    Raises:
        ConfigError: YAML syntax error, or duplicate key.
    """
    try:
        return _parse(text, where)[0]
    except ConfigError as error:
        raise ConfigError(error.message, error.key, where) from None


def _parse(text: str, name: str) -> tuple[Any, dict[Path_, int]]:
    """The data in `text`, and the line of every key path."""
    lines: dict[Path_, int] = {}
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, lines
            _index(node, (), lines, name, set())
            return loader.construct_document(node), lines
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"not valid YAML: {problem}", where=f"{name}:{line}") from None
    except (ValueError, RecursionError) as error:  # too many digits, or levels
        raise ConfigError(f"not valid YAML: {str(error).splitlines()[0]}", where=name) from None


def _index(
    node: yaml.Node, path: Path_, lines: dict[Path_, int], name: str, seen: set[int]
) -> None:
    where = f"{name}:{node.start_mark.line + 1}"
    if id(node) in seen:
        raise ConfigError("aliases such as *this are not supported", path, where)
    seen.add(id(node))
    if node.tag not in _KINDS:
        raise ConfigError(f"tag {node.tag.replace(_TAG, '!!')} is not supported", path, where)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            where = f"{name}:{line}"
            if key.tag != f"{_TAG}str":
                raise ConfigError("a key is text; put quotes around this one", path, where)
            here = (*path, key.value)
            if here in lines:
                raise ConfigError(f"duplicate key, first on line {lines[here]}", here, where)
            lines[here] = line
            _index(value, here, lines, name, seen)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            here = (*path, str(number))
            lines[here] = item.start_mark.line + 1
            _index(item, here, lines, name, seen)
