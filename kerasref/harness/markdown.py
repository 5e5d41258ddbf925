"""Pieces of GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], lines: Sequence[Sequence[str]], numbers_from: int = 99) -> str:
    """A table; columns from `numbers_from` on are aligned to the right."""
    rule = ["---" if column < numbers_from else "---:" for column in range(len(head))]
    return "\n".join(_line(cells) for cells in (head, rule, *lines))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell(text) for text in cells)} |"


def cell(text: str) -> str:
    """Text that cannot break out of its cell."""
    return " ".join(text.replace("|", "\\|").split())


def text(raw: str) -> str:
    """Plain text on one line, with what Markdown and HTML would swallow escaped."""
    line = " ".join(raw.split())
    for character in "\\*_<$`":
        line = line.replace(character, f"\\{character}")
    return line


def page(parts: Sequence[str]) -> bytes:
    """The parts as a page, a blank line between them, empty ones left out."""
    return ("\n\n".join(part for part in parts if part) + "\n").encode()
