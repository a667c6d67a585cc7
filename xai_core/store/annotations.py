"""What people write about samples: tags and a note each, in `annotations.sqlite`. Several may write at once.

Tags are added and removed one by one, so two people who tag the same sample lose nothing; of two notes on one sample
the later stands. The file is made with the first annotation; a study without it has none.

A checksum of all that is written is kept beside it, and whoever reads or writes compares: a note that rotted, or that
vanished, is told. Files of before have none until something is written.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xai_core.errors import BadParameter
from xai_core.store import database

LONGEST_TAG, LONGEST_NOTE = 60, 10_000
_BUSY_SECONDS = 30.0
_TABLES = """
CREATE TABLE IF NOT EXISTS tags (row INTEGER, tag TEXT, PRIMARY KEY (row, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (row INTEGER PRIMARY KEY, note TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS written (checksum INTEGER NOT NULL);
"""
_HAS_CHECKSUM = "SELECT count(*) FROM sqlite_master WHERE name = 'written'"


@dataclass(frozen=True)
class Annotation:
    """Of one sample: tags in alphabetical order, and a note ("" where there is none)."""

    tags: tuple[str, ...] = ()
    note: str = ""


class Annotations:
    """The annotations of a study. Safe to share between threads: every call opens the file for itself."""

    def __init__(self, study: Path) -> None:
        self.path = study / "annotations.sqlite"

    def of(self, rows: Sequence[int]) -> list[Annotation]:
        """The annotation of each row. Raises BadInput when the file is damaged."""
        tags, notes = self._all()
        return [Annotation(tuple(tags.get(int(row), ())), notes.get(int(row), "")) for row in rows]

    def known_tags(self) -> list[str]:
        """Every tag in use, in alphabetical order. Raises BadInput when the file is damaged."""
        tags, _ = self._all()
        return sorted({tag for of_row in tags.values() for tag in of_row})

    def add_tag(self, row: int, tag: str) -> None:
        """Tag a sample. Raises BadParameter for an empty or overlong tag, StorageFull and BadInput as files do."""
        text = " ".join(tag.split())
        if not 0 < len(text) <= LONGEST_TAG:
            remedy = f"Give 1 to {LONGEST_TAG} characters."
            raise BadParameter("not a tag", value=tag, remedy=remedy)
        self._write("INSERT OR IGNORE INTO tags VALUES (?, ?)", row, text)

    def remove_tag(self, row: int, tag: str) -> None:
        """Take a tag off a sample; nothing happens where it is not there."""
        self._write("DELETE FROM tags WHERE row = ? AND tag = ?", row, tag)

    def set_note(self, row: int, note: str) -> None:
        """Replace the note of a sample; an empty one removes it. Raises BadParameter for an overlong one."""
        text = note.strip()
        if len(text) > LONGEST_NOTE:
            raise BadParameter(
                "the note is too long", value=len(text), remedy=f"Keep it under {LONGEST_NOTE} characters."
            )
        if text:
            self._write("INSERT OR REPLACE INTO notes VALUES (?, ?)", row, text)
        else:
            self._write("DELETE FROM notes WHERE row = ?", row)

    def _all(self) -> tuple[Mapping[int, Sequence[str]], Mapping[int, str]]:
        """The tags of each row, in alphabetical order, and its note."""
        if not os.path.lexists(self.path):
            return {}, {}
        with database.opened(self.path, wait=_BUSY_SECONDS) as file:
            file.execute("BEGIN")  # tables and checksum of one moment
            return _checked(file)

    def _write(self, statement: str, row: int, *values: str) -> None:
        with database.opened(self.path, create=True, wait=_BUSY_SECONDS) as file:
            file.execute("BEGIN IMMEDIATE")
            for table in _TABLES.split(";"):  # executescript would end the transaction
                file.execute(table)
            _checked(file)  # a new checksum would make damage look whole
            file.execute(statement, (int(row), *values))
            file.execute("DELETE FROM written")
            file.execute("INSERT INTO written VALUES (?)", (_checksum(*_content(file)),))
            file.execute("COMMIT")


def _checked(file: sqlite3.Connection) -> tuple[dict[int, list[str]], dict[int, str]]:
    """All tags and notes, inside a transaction. Raises DatabaseError where they are not as they were written."""
    tags, notes = _content(file)
    kept = file.execute("SELECT checksum FROM written").fetchall() if file.execute(_HAS_CHECKSUM).fetchone()[0] else []
    if kept not in ([], [(_checksum(tags, notes),)]):
        raise sqlite3.DatabaseError("it is not as it was written")
    return tags, notes


def _content(file: sqlite3.Connection) -> tuple[dict[int, list[str]], dict[int, str]]:
    tags: dict[int, list[str]] = {}
    lines = file.execute("SELECT row, tag FROM tags ORDER BY tag, row").fetchall()
    notes = file.execute("SELECT row, note FROM notes ORDER BY row").fetchall()
    if not all(isinstance(row, int) and isinstance(text, str) for row, text in (*lines, *notes)):
        raise sqlite3.DatabaseError("a tag or a note is no text")
    for row, tag in lines:
        tags.setdefault(row, []).append(tag)
    return tags, dict(notes)


def _checksum(tags: Mapping[int, Sequence[str]], notes: Mapping[int, str]) -> int:
    return zlib.crc32(repr((sorted(tags.items()), sorted(notes.items()))).encode("utf-8", "surrogatepass"))
