"""Stores of results by (row, target): a folder with a manifest, and an index with one line for each result.

What the index does not name does not exist. A writer takes a transaction, so it may die at any moment, and any number
of processes may write at once; of two results of one pair the first stays. The index keeps a checksum of each result.
One that is not as it was written counts as missing: it is never given out, and whoever computes what is missing
replaces it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput
from xai_core.files import damaged, storage_errors
from xai_core.store import database, files
from xai_core.types import Array

LOG = logging.getLogger("xai.store")
MISSING, STORED, REFUSED = 0, 1, 2
"""There is nothing; a result; the reason why there is none."""

Pair = tuple[int, str]
"""Row number and target key."""

_MANIFEST, _INDEX = "manifest.json", "index.sqlite"
_BUSY_SECONDS = 120.0
_HAS = "SELECT name FROM pragma_table_info('rows')"
_CHECKSUM = "checksum"

# CROSS JOIN keeps SQLite from scanning all rows for a few wanted ones
_LOOK_UP = """
SELECT wanted.key, {columns}, {checksum} FROM json_each(?) AS wanted
CROSS JOIN rows ON row = json_extract(wanted.value, '$[0]') AND target = json_extract(wanted.value, '$[1]')
"""
_AT_ONCE = 1024
"""Results that are checked together: what is held in memory where nothing is given out."""


class Found(Protocol):
    """A sound line of the index, which answers the pair at `position`."""

    @property
    def position(self) -> int:
        """Of the pair among those asked."""
        ...

    @property
    def refusal(self) -> str | None:
        """Why there is no result."""
        ...


class IndexedStore:
    """What every store of results does. Safe to share between threads: every call opens the index for itself.

    A kind of store says what it holds, and which lines of its index are sound.

    Attributes:
        path: the folder.
    """

    holds: ClassVar[str]
    """What a result is called, in the plural."""
    tables: ClassVar[str]
    """SQL that makes the tables where they are missing; `rows` with `row`, `target`, `columns` and `checksum`."""
    columns: ClassVar[tuple[str, ...]]
    """Of the table `rows`, besides the pair and the checksum."""
    later: ClassVar[Mapping[str, str]] = {}
    """Those of them that stores of before lack, with their type: None there, until the first writer adds them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def signature(self) -> files.Signature | None:
        """What changes whenever something is stored; None where there is no index."""
        return files.signature(self.path / _INDEX)

    @classmethod
    def at(
        cls, folder: Path, identity: Mapping[str, Any], *, create: bool, made_with: Mapping[str, Any] | None = None
    ) -> Self | None:
        """The store in a folder, or None where there is none and `create` is false.

        Args:
            folder: the store's own folder.
            identity: what the results depend on; kept in the manifest.
            create: make the store where there is none.
            made_with: facts for the manifest that the results do not depend on (device, batch size).

        Raises:
            BadInput: the folder holds results of something else, or is damaged.
            StorageFull: no room.
        """
        manifest = folder / _MANIFEST
        if not manifest.is_file():
            if not create:
                return None
            store = cls(folder)
            with storage_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            with store._index(create=True) as index:
                index.executescript(f"BEGIN IMMEDIATE; {cls.tables} COMMIT;")
            # last, because a store with a manifest is a whole one
            files.write_json(manifest, {"format": 1, "identity": identity, "made_with": made_with or {}})
        if files.read_json(manifest).get("identity") != json.loads(json.dumps(identity)):
            raise damaged(manifest, f"it holds {cls.holds} of something else")
        return cls(folder)

    def made_with(self) -> dict[str, Any]:
        """Facts of the manifest that the results do not depend on, such as the device."""
        facts = files.read_json(self.path / _MANIFEST).get("made_with")
        return facts if isinstance(facts, dict) else {}

    def note(self, facts: Mapping[str, Any]) -> None:
        """Add to `made_with`, or replace what is said there. Raises StorageFull."""
        manifest = self.path / _MANIFEST
        files.write_json(manifest, {**files.read_json(manifest), "made_with": {**self.made_with(), **facts}})

    def state(self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str]) -> NDArray[np.uint8]:
        """`(N,)` MISSING, STORED or REFUSED."""
        state = np.full(len(rows), MISSING, dtype=np.uint8)
        for start in range(0, len(rows), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            pairs = self._pairs(rows[part], targets[part])
            with self._index() as index:
                index.execute("BEGIN")  # index and records of one moment: no writer commits meanwhile
                state[part] = states(len(pairs), self._sound(index, pairs))
        return state

    def count(self) -> int:
        """How many results the index names, refused ones included."""
        with self._index() as index:
            return int(index.execute("SELECT count(*) FROM rows").fetchone()[0])

    def named(self) -> list[Pair]:
        """The (row, target) pairs that the index names."""
        with self._index() as index:
            return [(int(row), str(target)) for row, target in index.execute("SELECT row, target FROM rows")]

    def _sound(self, index: sqlite3.Connection, pairs: Sequence[Pair]) -> Sequence[Found]:
        """Inside a transaction: what is stored of these pairs and is as it was written."""
        raise NotImplementedError

    def _index(self, *, create: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        """A connection of its own for each call.

        The rollback journal (SQLite's default) leaves no second file behind, so a finished store works on read-only
        media; elsewhere whoever opens it rolls back what a dead writer left.
        """
        return database.opened(self.path / _INDEX, create=create, wait=_BUSY_SECONDS)

    def _pairs(self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str]) -> list[Pair]:
        if len(rows) != len(targets):
            raise self._refused("rows and targets whose lengths differ", f"{len(rows)} and {len(targets)}")
        return [(int(row), target) for row, target in zip(rows, targets, strict=True)]

    def _lines(self, index: sqlite3.Connection, pairs: Sequence[Pair]) -> list[tuple[Any, ...]]:
        """What the index names of these pairs: position, `columns`, checksum (None in a line of before)."""
        there = _columns(index)
        checksum = _CHECKSUM if _CHECKSUM in there else "NULL"
        # json_each has columns of its own
        columns = ", ".join(f"rows.{name}" if name in there else "NULL" for name in self.columns)
        query = _LOOK_UP.format(columns=columns, checksum=checksum)
        return index.execute(query, (json.dumps(pairs),)).fetchall()

    def _fresh(self, index: sqlite3.Connection, pairs: Sequence[Pair]) -> list[int]:
        """Positions of the pairs that come for the first time, here and in the store."""
        known = {found.position for found in self._sound(index, pairs)}
        positions: dict[Pair, int] = {}
        for position, pair in enumerate(pairs):
            positions.setdefault(pair, position)
        return [position for position in positions.values() if position not in known]

    def _name(self, index: sqlite3.Connection, lines: Iterable[tuple[Any, ...]]) -> None:
        """Inside a transaction: add lines of row, target, `columns` and checksum."""
        for name, kind in {**self.later, _CHECKSUM: "INTEGER"}.items():
            if name not in _columns(index):
                index.execute(f"ALTER TABLE rows ADD COLUMN {name} {kind}")
        names = ("row", "target", *self.columns, "checksum")
        marks = ", ".join("?" * len(names))
        # what is there in spite of being fresh is damaged
        index.executemany(f"INSERT OR REPLACE INTO rows ({', '.join(names)}) VALUES ({marks})", lines)

    def _given_out(self, found: Iterable[Any]) -> list[Any]:
        """The sound ones; says once for each store that some are not."""
        lines = list(found)
        if None in lines:
            _tell(self.path, self.holds)
        return [line for line in lines if line is not None]

    def _refused(self, problem: str, value: object) -> BadInput:
        """The error for results that are not stored."""
        return BadInput(problem, value=value, remedy=f"None of these {self.holds} was stored.")


def _columns(index: sqlite3.Connection) -> set[str]:
    """Of the table `rows`. Stores of before have no checksums, and not what came later."""
    return {name for (name,) in index.execute(_HAS)}


@cache
def _tell(store: Path, holds: str) -> None:
    LOG.warning("%s: stored %s are damaged and count as missing; computing them again replaces them", store, holds)


def states(count: int, found: Sequence[Found]) -> NDArray[np.uint8]:
    """`(count,)` MISSING, STORED or REFUSED."""
    state = np.full(count, MISSING, dtype=np.uint8)
    for line in found:
        state[line.position] = STORED if line.refusal is None else REFUSED
    return state


def notes(named: Mapping[str, Array], count: int) -> list[str]:
    """Named `(count,)` numbers as the JSON of each result, without what is not finite.

    Raises:
        ValueError: one of another length.
    """
    if any(len(values) != count for values in named.values()):
        raise ValueError(", ".join(named))
    columns = {name: np.asarray(values, dtype=np.float64).tolist() for name, values in named.items()}
    kept = ({name: values[i] for name, values in columns.items() if np.isfinite(values[i])} for i in range(count))
    return [json.dumps(note) if note else "{}" for note in kept]


def read_notes(text: Any) -> dict[str, float]:
    """Named numbers out of their JSON. Raises what `json.loads` does, and ValueError for anything but numbers."""
    found = json.loads(text) if text != "{}" else {}
    if not isinstance(found, dict) or not all(isinstance(v, int | float) and isfinite(v) for v in found.values()):
        raise ValueError("no named numbers")
    return found


NO_NOTES = (ValueError, TypeError, OverflowError, RecursionError)
"""What `read_notes` raises for text that is none of ours."""


def noted(found: Sequence[tuple[int, Mapping[str, float]]], count: int) -> dict[str, Array]:
    """Named `(count,)` float32 arrays from the notes of some positions; NaN where there is none."""
    named: dict[str, Array] = {}
    for position, values in found:
        for name, value in values.items():
            named.setdefault(name, np.full(count, np.nan, dtype=np.float32))[position] = value
    return named
