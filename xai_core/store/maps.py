"""Maps of one method on one model: records of one shape in `maps.bin`, named by `index.sqlite`.

What the index does not name does not exist. A writer takes slots in a transaction, writes the records, syncs them,
and then commits their names; so a writer may die at any moment, and any number of processes may write at once.

The index keeps a checksum of each map. One that is not as it was written counts as missing: it is never given out,
and whoever computes what is missing replaces it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xai_core.files import damaged, storage_errors
from xai_core.store import database, files
from xai_core.store.records import Records, Shape, encode, possible, refused
from xai_core.types import Array

LOG = logging.getLogger("xai.store")
MISSING, STORED, REFUSED = 0, 1, 2
_MANIFEST, _INDEX = "manifest.json", "index.sqlite"
_BUSY_SECONDS = 120.0
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (height INTEGER, width INTEGER, slots INTEGER NOT NULL);
INSERT INTO meta SELECT NULL, NULL, 0 WHERE NOT EXISTS (SELECT 1 FROM meta);
CREATE TABLE IF NOT EXISTS rows (
    row INTEGER, target TEXT, slot INTEGER, scale REAL, refusal TEXT, diagnostics TEXT, checksum INTEGER,
    PRIMARY KEY (row, target)
) WITHOUT ROWID;
"""
_HAS_CHECKSUMS = "SELECT count(*) FROM pragma_table_info('rows') WHERE name = 'checksum'"
"""Stores of before have none; the first writer adds the column."""

# CROSS JOIN keeps SQLite from scanning all rows for a few wanted ones
_LOOK_UP = """
SELECT wanted.key, slot, scale, refusal, diagnostics, {checksum} FROM json_each(?) AS wanted
CROSS JOIN rows ON row = json_extract(wanted.value, '$[0]') AND target = json_extract(wanted.value, '$[1]')
"""
_AT_ONCE = 1024
"""Maps that are checked together: what is held in memory where nothing is given out."""

_LONGEST_SIDE, _LARGEST_SCALE = 2**14, float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class StoredMaps:
    """What a store holds of N asked (row, target) pairs, in the order asked.

    Attributes:
        maps: `(N, h, w)` float32, NaN where missing or refused; `(N, 0, 0)` while nothing is stored at all.
        state: `(N,)` uint8: MISSING, STORED or REFUSED.
        diagnostics: named `(N,)` float32, NaN where there is none.
        refusals: per pair None, or why its map must not be shown.
    """

    maps: Array
    state: NDArray[np.uint8]
    diagnostics: dict[str, Array]
    refusals: list[str | None]


class _Line(NamedTuple):
    """What the index is to keep of one map, besides its slot."""

    row: int
    target: str
    scale: float
    refusal: str | None
    diagnostics: str

    def checksum(self, record: NDArray[np.float16] | None) -> int:
        """Of all that is kept of the map; of a refused one there is no record."""
        text = f"{self.row} {self.target} {self.scale!r} {self.refusal!r} {self.diagnostics}"
        return zlib.crc32(b"" if record is None else record.data.cast("B"), zlib.crc32(text.encode()))


class _Found(NamedTuple):
    """A sound line of the index, which answers the pair at `position`."""

    position: int
    record: NDArray[np.float16] | None
    scale: float
    refusal: str | None
    diagnostics: dict[str, float]


class MapStore:
    """A folder of stored maps. Safe to share between threads: every call opens the index for itself.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records = Records(path / "maps.bin")
        self._shape: Shape | None = None

    @classmethod
    def at(
        cls, folder: Path, identity: Mapping[str, Any], *, create: bool, made_with: Mapping[str, Any] | None = None
    ) -> MapStore | None:
        """The store in a folder, or None where there is none and `create` is false.

        Args:
            folder: the store's own folder.
            identity: what the maps depend on; kept in the manifest.
            create: make the store where there is none.
            made_with: facts for the manifest that the maps do not depend on (device, batch size).

        Raises:
            BadInput: the folder holds maps of something else, or is damaged.
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
                index.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
            # last, because a store with a manifest is a whole one
            files.write_json(manifest, {"format": 1, "identity": identity, "made_with": made_with or {}})
        if files.read_json(manifest).get("identity") != json.loads(json.dumps(identity)):
            raise damaged(manifest, "it holds maps of something else")
        return cls(folder)

    @property
    def shape(self) -> Shape | None:
        """`(h, w)` of every map; None until the first one is stored."""
        if self._shape is None:
            with self._index() as index:
                self._shape, _ = _meta(index)
        return self._shape

    def put(
        self,
        rows: Sequence[int] | NDArray[np.int64],
        targets: Sequence[str],
        maps: Array,
        diagnostics: Mapping[str, Array] | None = None,
        refusals: Sequence[str | None] | None = None,
    ) -> None:
        """Store N maps, all of them or none. A pair that is stored already stays as it is.

        Values are kept as float16 times a float32 scale per map: within scale · 2⁻¹² of what is given.

        Args:
            rows: `(N,)` row numbers.
            targets: N target keys.
            maps: `(N, h, w)`; the pixels of refused ones are not looked at.
            diagnostics: named `(N,)` arrays; NaN means none.
            refusals: per map None, or why it must not be shown; None means that none is refused.

        Raises:
            BadInput: NaN or infinite pixels, another shape than the store's, or lengths that differ.
            StorageFull: no room; earlier maps are kept.
        """
        notes = _notes(diagnostics or {}, len(rows))
        reasons = list(refusals) if refusals is not None else [None] * len(rows)
        pixels = np.asarray(maps, dtype=np.float32)
        if pixels.ndim != 3 or not len(rows) == len(targets) == len(pixels) == len(reasons) == len(notes):
            raise refused(
                "arrays whose lengths differ", f"{len(rows)} rows, {len(targets)} targets, maps {pixels.shape}"
            )
        records, scales = encode(pixels, np.array([reason is None for reason in reasons], dtype=bool))
        numbers = [int(row) for row in rows]
        lines = [_Line(*each) for each in zip(numbers, targets, scales.tolist(), reasons, notes, strict=True)]
        with self._index() as index:
            self._begin(index)
            if not index.execute(_HAS_CHECKSUMS).fetchone()[0]:
                index.execute("ALTER TABLE rows ADD COLUMN checksum INTEGER")
            self._write(index, lines, records)
            index.execute("COMMIT")

    def _write(self, index: sqlite3.Connection, lines: list[_Line], records: NDArray[np.float16]) -> None:
        """Inside a transaction: the records of what is new, then their names."""
        known = {found.position for found in self._sound(index, [line[:2] for line in lines])}
        fresh = [position for position in _first(lines) if position not in known]
        drawn = [position for position in fresh if lines[position].refusal is None]
        if drawn:
            _fix_shape(index, (records.shape[1], records.shape[2]))
        (start,) = index.execute("SELECT slots FROM meta").fetchone()
        slots = dict(zip(drawn, range(start, start + len(drawn)), strict=True))
        self._records.append(start, records[drawn])
        index.execute("UPDATE meta SET slots = ?", (start + len(drawn),))
        sums = [lines[position].checksum(records[position] if position in slots else None) for position in fresh]
        index.executemany(  # what is there in spite of being fresh is damaged
            "INSERT OR REPLACE INTO rows (slot, checksum, row, target, scale, refusal, diagnostics)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(slots.get(position), each, *lines[position]) for position, each in zip(fresh, sums, strict=True)],
        )

    def _begin(self, index: sqlite3.Connection) -> None:
        """Start a transaction in which every named slot lies within the file.

        Names of records that were cut off (a copy that broke) are dropped in a transaction of their own: were the
        file to grow first and this writer to die, they would name zeros.
        """
        index.execute("BEGIN IMMEDIATE")
        shape, slots = _meta(index)
        whole = self._records.whole(shape)
        if slots > whole:
            index.execute("DELETE FROM rows WHERE slot >= ?", (whole,))
            index.execute("UPDATE meta SET slots = ?", (whole,))
            index.execute("COMMIT")
            self._begin(index)

    def state(self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str]) -> NDArray[np.uint8]:
        """`(N,)` MISSING, STORED or REFUSED."""
        state = np.full(len(rows), MISSING, dtype=np.uint8)
        for start in range(0, len(rows), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            _, found = self._look_up(rows[part], targets[part])
            state[part] = _state(len(state[part]), found)
        return state

    def get(self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str]) -> StoredMaps:
        """The maps of N (row, target) pairs, with what is known of them."""
        shape, found = self._look_up(rows, targets)
        count = len(rows)
        maps = np.full((count, *(shape or (0, 0))), np.nan, dtype=np.float32)
        drawn = [(line.position, line.record, line.scale) for line in found if line.record is not None]
        if drawn:
            positions, records, scales = zip(*drawn, strict=True)
            maps[list(positions)] = np.array(records, np.float32) * np.array(scales, np.float32)[:, None, None]
        diagnostics: dict[str, Array] = {}
        refusals: list[str | None] = [None] * count
        for line in found:
            refusals[line.position] = line.refusal
            for name, value in line.diagnostics.items():
                diagnostics.setdefault(name, np.full(count, np.nan, dtype=np.float32))[line.position] = value
        return StoredMaps(maps, _state(count, found), diagnostics, refusals)

    def count(self) -> int:
        """How many maps the index names, refused ones included."""
        with self._index() as index:
            return int(index.execute("SELECT count(*) FROM rows").fetchone()[0])

    def _look_up(
        self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str]
    ) -> tuple[Shape | None, list[_Found]]:
        if len(rows) != len(targets):
            raise refused("rows and targets whose lengths differ", f"{len(rows)} and {len(targets)}")
        pairs = [(int(row), target) for row, target in zip(rows, targets, strict=True)]
        with self._index() as index:
            index.execute("BEGIN")  # shape, rows and size of one moment: no writer commits meanwhile
            shape, _ = _meta(index)
            return shape, self._sound(index, pairs)

    def _sound(self, index: sqlite3.Connection, pairs: Sequence[tuple[int, str]]) -> list[_Found]:
        """Inside a transaction: what is stored of these pairs and is as it was written."""
        shape, _ = _meta(index)
        whole = self._records.whole(shape)
        column = "checksum" if index.execute(_HAS_CHECKSUMS).fetchone()[0] else "NULL"
        lines = index.execute(_LOOK_UP.format(checksum=column), (json.dumps(pairs),)).fetchall()
        lines = [line for line in lines if line[1] is None or not _is_count(line[1]) or line[1] < whole]
        slots = [line[1] for line in lines if _is_count(line[1])]
        read = self._read(slots, shape)
        records = {slot: record for slot, record, fine in zip(slots, read, possible(read), strict=True) if fine}
        found = [_sound(pairs[line[0]], line, records) for line in lines]
        if None in found:
            _tell(self.path)
        return [each for each in found if each is not None]

    def _read(self, slots: list[int], shape: Shape | None) -> NDArray[np.float16]:
        if shape is None or not slots:
            return np.empty((0, 0, 0), np.float16)
        return self._records.read(np.array(slots, dtype=np.int64), shape)

    def _index(self, *, create: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        """A connection of its own for each call.

        The rollback journal (SQLite's default) leaves no second file behind, so a finished store works on read-only
        media; elsewhere whoever opens it rolls back what a dead writer left.
        """
        return database.opened(self.path / _INDEX, create=create, wait=_BUSY_SECONDS)


@cache
def _tell(store: Path) -> None:
    LOG.warning("%s: stored maps are damaged and count as missing; computing them again replaces them", store)


def _sound(
    pair: tuple[int, str], line: tuple[int, Any, Any, Any, Any, Any], records: Mapping[int, NDArray[np.float16]]
) -> _Found | None:
    """What a line of the index says of a pair, or None where it is not as it was written."""
    position, slot, scale, refusal, diagnostics, checksum = line
    record = records.get(slot)
    if (slot is None) == (refusal is None) or (slot is None) != (record is None) or not isinstance(scale, float):
        return None
    try:
        notes = json.loads(diagnostics) if diagnostics != "{}" else {}
        right = (
            0 <= scale <= _LARGEST_SCALE
            and all(isinstance(value, int | float) and isfinite(value) for value in notes.values())
            and checksum in (None, _Line(*pair, scale, refusal, diagnostics).checksum(record))
        )
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):  # diagnostics that are none
        right = False
    return _Found(position, record, scale, refusal, notes) if right else None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _first(lines: list[_Line]) -> list[int]:
    """Positions at which each (row, target) comes for the first time."""
    positions: dict[tuple[int, str], int] = {}
    for position, line in enumerate(lines):
        positions.setdefault((line.row, line.target), position)
    return list(positions.values())


def _meta(index: sqlite3.Connection) -> tuple[Shape | None, int]:
    """The shape of the maps (None before the first) and how many slots are taken. Raises DatabaseError for nonsense."""
    height, width, slots = index.execute("SELECT height, width, slots FROM meta").fetchone() or (0, 0, 0)
    if height is None and width is None and _is_count(slots):
        return None, slots
    if not all(_is_count(value) and 0 < value <= _LONGEST_SIDE for value in (height, width)) or not _is_count(slots):
        raise sqlite3.DatabaseError("its table meta is damaged")
    return (height, width), slots


def _fix_shape(index: sqlite3.Connection, shape: Shape) -> None:
    known, _ = _meta(index)
    if known is None:
        index.execute("UPDATE meta SET height = ?, width = ?", shape)
    elif known != shape:
        raise refused(f"maps of another shape than the stored ones, {known}", shape)


def _state(count: int, found: list[_Found]) -> NDArray[np.uint8]:
    state = np.full(count, MISSING, dtype=np.uint8)
    for line in found:
        state[line.position] = STORED if line.refusal is None else REFUSED
    return state


def _notes(diagnostics: Mapping[str, Array], count: int) -> list[str]:
    """The diagnostics of each map as JSON, without what is not finite."""
    if any(len(values) != count for values in diagnostics.values()):
        raise refused("diagnostics of another length than the rows", ", ".join(diagnostics))
    columns = {name: np.asarray(values, dtype=np.float64).tolist() for name, values in diagnostics.items()}
    notes = ({name: values[i] for name, values in columns.items() if np.isfinite(values[i])} for i in range(count))
    return [json.dumps(note) if note else "{}" for note in notes]
