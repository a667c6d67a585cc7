"""The tables of a recipe's study, as text, JSON and Markdown alike; and the page in the docs that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xai_core.answers.lines import paragraphs, table
from xai_core.errors import BadInput
from xai_core.files import storage_errors, write_atomic

_BEGIN, _END = "<!-- begin: xai recipe {} -->", "<!-- end: xai recipe {} -->"


@dataclass(frozen=True)
class Part:
    """A table with its title and what is to be said of it.

    Attributes:
        title: of the part.
        heads: of the columns; the first names what a row is about.
        rows: cells as they are shown.
        said: sentences below the table.
        values: the same numbers as they are, for programs.
    """

    title: str
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    said: tuple[str, ...] = ()
    values: Any = None

    def text(self) -> str:
        """For people."""
        lines = table([self.heads, *self.rows], right=range(1, len(self.heads))) if self.rows else ""
        return "\n".join(filter(None, [self.title, lines, *(f"  {sentence}" for sentence in self.said)]))

    def markdown(self) -> str:
        """A heading, a table, a list of sentences."""
        lines = [f"## {self.title}"]
        if self.rows:
            rules = ("---", *("---:" for _ in self.heads[1:]))
            lines.append(
                "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in (self.heads, rules, *self.rows))
            )
        said = list(map(_plain, self.said))
        return "\n\n".join([*lines, *(["\n".join(f"- {sentence}" for sentence in said)] if said else [])])


@dataclass(frozen=True)
class Report:
    """What a recipe found: its parts in order."""

    parts: Sequence[Part]

    def as_json(self) -> list[dict[str, Any]]:
        """Every part with its cells, and the numbers behind them."""
        return [
            {"title": part.title, "columns": part.heads, "rows": part.rows, "said": part.said, "values": part.values}
            for part in self.parts
        ]

    def text(self) -> str:
        """For people."""
        return paragraphs(*(part.text() for part in self.parts))

    def markdown(self) -> str:
        """The parts, each under its heading."""
        return "\n\n".join(part.markdown() for part in self.parts)


def write_page(path: Path, key: str, title: str, made: str) -> None:
    """Write a report into a page: between its two marks where there is such a page, else as a new one.

    What stands around the marks is people's, and stays.

    Raises:
        BadInput: a page without the marks, or one that cannot be read or written.
        StorageFull: no room; the page is as it was.
    """
    begin, end = _BEGIN.format(key), _END.format(key)
    before, after = f"# {title}\n\n", "\n"
    with storage_errors(path):
        if path.exists():
            before, after = around(path.read_text(encoding="utf-8"), begin, end, path)
        write_atomic(path, f"{before}{begin}\n\n{made}\n\n{end}{after}".encode())


def around(text: str, begin: str, end: str, path: Path) -> tuple[str, str]:
    """What stands before and after the two marks. Raises BadInput where they are not there once each, in order."""
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last) or begin in after or end in after:
        remedy = f"Put {begin} and {end} where the tables belong, or choose another file."
        raise BadInput("this page has no place for the tables", value=path, remedy=remedy)
    return before, after


def marked(text: str, key: str, path: Path) -> str:
    """What stands between the marks of a page. Raises as `around`."""
    begin, end = _BEGIN.format(key), _END.format(key)
    before, after = around(text, begin, end, path)
    return text[len(before) + len(begin) : len(text) - len(after) - len(end)].strip()


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """A name from anywhere is text and no markup."""
    return " ".join(text.split()).replace("<", "&lt;")


def exact(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Records as JSON takes them."""
    return [dict(record) for record in records]
