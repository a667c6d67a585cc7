"""What people write about samples: tags and a note each, in `annotations.sqlite`. Several may write at once.

Tags are added and removed one by one, so two people who tag the same sample lose nothing; of two notes on one sample
the later stands. The file is made with the first annotation; a study without it has none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xai_core.errors import BadParameter
from xai_core.files import storage_errors

LONGEST_TAG, LONGEST_NOTE = 60, 10_000
_BUSY_SECONDS = 30.0
_TABLES = """
CREATE TABLE IF NOT EXISTS tags (row INTEGER, tag TEXT, PRIMARY KEY (row, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (row INTEGER PRIMARY KEY, note TEXT NOT NULL);
"""


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
        if not self.path.is_file():
            return [Annotation()] * len(rows)
        with self._open("rw") as file:
            tags: dict[int, list[str]] = {}
            for row, tag in file.execute("SELECT row, tag FROM tags ORDER BY tag"):
                tags.setdefault(row, []).append(tag)
            notes = dict(file.execute("SELECT row, note FROM notes"))
        return [Annotation(tuple(tags.get(int(row), ())), notes.get(int(row), "")) for row in rows]

    def known_tags(self) -> list[str]:
        """Every tag in use, in alphabetical order."""
        if not self.path.is_file():
            return []
        with self._open("rw") as file:
            return [tag for (tag,) in file.execute("SELECT DISTINCT tag FROM tags ORDER BY tag")]

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

    def _write(self, statement: str, row: int, *values: str) -> None:
        with self._open("rwc") as file:
            file.executescript(_TABLES)
            file.execute(statement, (int(row), *values))

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        with storage_errors(self.path):
            uri = f"{self.path.absolute().as_uri()}?mode={mode}"
            file = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                yield file
            finally:
                file.close()
