"""YAML that remembers on which line every key stands.

YAML 1.2's core scalars are used: `1e-4` is a number (not a string, as YAML 1.1 has it) and
`no`, `on` and `off` are strings.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from kerasref.harness.errors import ConfigError

Path_ = tuple[str, ...]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own protocol)
        first: [
            (tag, rule)
            for tag, rule in rules
            if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")
        ]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


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
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"cannot be read: {reason}", where=name) from None
    loader = _Loader(text)
    lines: dict[Path_, int] = {}
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError("expected a mapping of keys to values", where=f"{name}:1")
        _index(node, (), lines, name)
        data = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"not valid YAML: {problem}", where=f"{name}:{line}") from None
    finally:
        loader.dispose()
    return Document(path, data, lines, name)


def scalar(text: str) -> Any:
    """The value of a piece of YAML, such as `0.1` or `[1, 2]`."""
    return yaml.load(text, _Loader)


def _index(node: yaml.Node, path: Path_, lines: dict[Path_, int], name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                raise ConfigError(
                    f"duplicate key, first on line {lines[here]}", here, f"{name}:{line}"
                )
            lines[here] = line
            _index(value, here, lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            here = (*path, str(number))
            lines[here] = item.start_mark.line + 1
            _index(item, here, lines, name)
