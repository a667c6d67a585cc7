"""A version's journal: what people changed in the annotation, one line after the other, and nothing is ever taken out.

An act is what somebody does at once, of one change or of many; it is written whole or not at all. Taking an act back
is a change of its own. Each line carries a checksum over itself and the line before it, so a line that rotted, vanished
or was slipped in is told. Several may write at once.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from xai_core.files import damaged, storage_errors
from xai_core.store import database, files
from xai_core.store.patches import Patch

What = Literal["accept", "reject", "relabel", "edit", "import", "undo"]
WHATS: tuple[What, ...] = ("accept", "reject", "relabel", "edit", "import", "undo")

_BUSY_SECONDS = 60.0
_TABLES = (
    "CREATE TABLE IF NOT EXISTS about (identity TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS changes (
        number INTEGER PRIMARY KEY, act INTEGER NOT NULL, at TEXT NOT NULL, by TEXT NOT NULL, what TEXT NOT NULL,
        kind TEXT NOT NULL, proposal TEXT NOT NULL, row INTEGER NOT NULL, undoes INTEGER NOT NULL, pixels INTEGER NOT
        NULL, patch_checksum INTEGER NOT NULL, checksum INTEGER NOT NULL, patch BLOB NOT NULL
    )""",
)
_COLUMNS = (
    "number", "act", "at", "by", "what", "kind", "proposal", "row", "undoes", "pixels", "patch_checksum", "checksum",
)  # fmt: skip
_TYPES = (int, int, str, str, str, str, str, int, int, int, int, int)


@dataclass(frozen=True)
class Entry:
    """What is to be written of one picture.

    Attributes:
        row: of the picture.
        what: what was done.
        kind: the kind of the proposal that it is about, or "".
        proposal: its id, or "".
        patch: what it paints; None where it paints nothing.
    """

    row: int
    what: What
    kind: str = ""
    proposal: str = ""
    patch: Patch | None = None
    undoes: int = 0


@dataclass(frozen=True)
class Change:
    """A line of the journal.

    Attributes:
        number: from 1 on, without gaps.
        act: number of the first change of the act that it is part of.
        at: ISO time, UTC; `by`: who.
        undoes: number of the change that it takes back; 0 for none.
        pixels: how many it paints.
        patch_checksum: of what it paints, 0 where it paints nothing.
    """

    number: int
    act: int
    at: str
    by: str
    what: What
    kind: str
    proposal: str
    row: int
    undoes: int
    pixels: int
    patch_checksum: int

    def checksum(self, before: int) -> int:
        """Over itself and the line before it."""
        return zlib.crc32(repr((before, *(getattr(self, name) for name in _COLUMNS[:-1]))).encode())


class Journal:
    """The file of a version. Safe to share between threads: every call opens it for itself."""

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        """`identity`: what the changes are of; a journal of something else is damage."""
        self.path, self._identity = path, json.dumps(dict(identity), sort_keys=True)
        self._kept = files.Cached(path, self._read)

    def changes(self) -> tuple[Change, ...]:
        """All of them, oldest first. Raises BadInput where the file is damaged or of something else."""
        return self._kept.get() or ()

    def patches(self, changes: Sequence[Change], largest: int) -> list[Patch]:
        """What these changes of a picture of `largest` pixels paint. Raises as `changes`."""
        numbers = json.dumps([change.number for change in changes])
        query = "SELECT number, patch FROM changes WHERE number IN (SELECT value FROM json_each(?))"
        with database.opened(self.path, wait=_BUSY_SECONDS) as file:
            found = dict(file.execute(query, (numbers,)).fetchall())
        patches = []
        for change in changes:
            data = found.get(change.number)
            if not isinstance(data, bytes) or zlib.crc32(data) != change.patch_checksum:
                raise damaged(self.path, f"change {change.number} is not as it was written")
            try:
                patches.append(Patch.unpacked(data, largest))
            except ValueError as error:
                raise damaged(self.path, error) from None
        return patches

    def write(self, decide: Callable[[tuple[Change, ...]], Iterable[Entry]], by: str) -> tuple[Change, ...]:
        """Add an act, made from what stands when nobody else writes; nothing where there is nothing to add.

        Raises:
            whatever `decide` raises, and then nothing is written; BadInput and StorageFull as files do.
        """
        with storage_errors(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with database.opened(self.path, create=True, wait=_BUSY_SECONDS) as file:
            file.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                file.execute(table)
            if not file.execute("SELECT count(*) FROM about").fetchone()[0]:
                file.execute("INSERT INTO about VALUES (?)", (self._identity,))
            before, last = self._lines(file)
            lines = self._new(list(decide(before)), by, len(before), last)
            if lines:
                marks = ", ".join("?" * (len(_COLUMNS) + 1))
                names = ", ".join((*_COLUMNS, "patch"))
                file.executemany(f"INSERT INTO changes ({names}) VALUES ({marks})", [line for _, line in lines])
                file.execute("COMMIT")
            return tuple(change for change, _ in lines)

    def _new(self, entries: Sequence[Entry], by: str, known: int, last: int) -> list[tuple[Change, tuple[Any, ...]]]:
        at, lines = datetime.now(UTC).isoformat(timespec="microseconds"), []
        for place, entry in enumerate(entries):
            data = b"" if entry.patch is None else entry.patch.packed()
            pixels, checksum = (0, 0) if entry.patch is None else (entry.patch.pixels, zlib.crc32(data))
            about = (entry.what, entry.kind, entry.proposal, int(entry.row), entry.undoes, pixels, checksum)
            change = Change(known + 1 + place, known + 1, at, by, *about)
            last = change.checksum(last)
            lines.append((change, (*(getattr(change, name) for name in _COLUMNS[:-1]), last, data)))
        return lines

    def _read(self, path: Path) -> tuple[Change, ...]:
        with database.opened(path, wait=_BUSY_SECONDS) as file:
            file.execute("BEGIN")
            return self._lines(file)[0]

    def _lines(self, file: sqlite3.Connection) -> tuple[tuple[Change, ...], int]:
        """All changes, inside a transaction, and the checksum of the last. Raises BadInput.

        Whoever was killed at the very first act leaves a file without tables: nothing was done then.
        """
        if not file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return (), 0
        if file.execute("SELECT identity FROM about").fetchall() != [(self._identity,)]:
            raise damaged(self.path, "it is about another annotation")
        found, last = list[Change](), 0
        for line in file.execute(f"SELECT {', '.join(_COLUMNS)} FROM changes ORDER BY number"):
            if not all(type(value) is kind for value, kind in zip(line, _TYPES, strict=True)) or line[4] not in WHATS:
                raise damaged(self.path, "a line that is none")
            change = Change(*line[:-1])
            last = change.checksum(last)
            if line[-1] != last or change.number != len(found) + 1:
                raise damaged(self.path, f"change {change.number} is not as it was written")
            found.append(change)
        return tuple(found), last


def exists(path: Path) -> bool:
    """Whether there is a journal at all."""
    return os.path.lexists(path)
