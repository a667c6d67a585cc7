"""Maps of one method on one model: records of one shape in `maps.bin`, named by an index (see `index`).

A writer takes slots in a transaction, writes the records, syncs them, and then commits their names.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xai_core.store.index import (
    MISSING,
    NO_NOTES,
    REFUSED,
    STORED,
    IndexedStore,
    Pair,
    noted,
    notes,
    read_notes,
    states,
)
from xai_core.store.records import Records, Shape, encode, possible, refused
from xai_core.types import Array

__all__ = ["FORWARD", "MISSING", "REFUSED", "SECONDS", "STORED", "MapStore", "StoredMaps"]

SECONDS = "seconds_per_map"
"""In the manifest of a store, under `made_with`: what each of the maps took that came last."""

FORWARD = "seconds_per_forward"
"""Beside it: what one picture takes through the model, on the same machine."""

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


class MapStore(IndexedStore):
    """A folder of stored maps. Safe to share between threads: every call opens the index for itself."""

    holds = "maps"
    tables = """
    CREATE TABLE IF NOT EXISTS meta (height INTEGER, width INTEGER, slots INTEGER NOT NULL);
    INSERT INTO meta SELECT NULL, NULL, 0 WHERE NOT EXISTS (SELECT 1 FROM meta);
    CREATE TABLE IF NOT EXISTS rows (
        row INTEGER, target TEXT, slot INTEGER, scale REAL, refusal TEXT, diagnostics TEXT, checksum INTEGER,
        PRIMARY KEY (row, target)
    ) WITHOUT ROWID;
    """
    columns = ("slot", "scale", "refusal", "diagnostics")

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._records = Records(path / "maps.bin")
        self._shape: Shape | None = None

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
        reasons = list(refusals) if refusals is not None else [None] * len(rows)
        pixels = np.asarray(maps, dtype=np.float32)
        if pixels.ndim != 3 or not len(rows) == len(targets) == len(pixels) == len(reasons):
            raise refused(
                "arrays whose lengths differ", f"{len(rows)} rows, {len(targets)} targets, maps {pixels.shape}"
            )
        try:
            facts = notes(diagnostics or {}, len(rows))
        except ValueError as error:
            raise refused("diagnostics of another length than the rows", error) from None
        records, scales = encode(pixels, np.array([reason is None for reason in reasons], dtype=bool))
        numbers = [int(row) for row in rows]
        lines = [_Line(*each) for each in zip(numbers, targets, scales.tolist(), reasons, facts, strict=True)]
        with self._index() as index:
            self._begin(index)
            self._write(index, lines, records)
            index.execute("COMMIT")

    def _write(self, index: sqlite3.Connection, lines: list[_Line], records: NDArray[np.float16]) -> None:
        """Inside a transaction: the records of what is new, then their names."""
        fresh = self._fresh(index, [line[:2] for line in lines])
        drawn = [position for position in fresh if lines[position].refusal is None]
        if drawn:
            _fix_shape(index, (records.shape[1], records.shape[2]))
        (start,) = index.execute("SELECT slots FROM meta").fetchone()
        slots = dict(zip(drawn, range(start, start + len(drawn)), strict=True))
        self._records.append(start, records[drawn])
        index.execute("UPDATE meta SET slots = ?", (start + len(drawn),))
        sums = [lines[position].checksum(records[position] if position in slots else None) for position in fresh]
        named = [(lines[position], slots.get(position), each) for position, each in zip(fresh, sums, strict=True)]
        self._name(index, [(*line[:2], slot, *line[2:], each) for line, slot, each in named])

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

    def get(self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str]) -> StoredMaps:
        """The maps of N (row, target) pairs, with what is known of them."""
        pairs = self._pairs(rows, targets)
        with self._index() as index:
            index.execute("BEGIN")  # shape, rows and size of one moment: no writer commits meanwhile
            (shape, _), found = _meta(index), self._sound(index, pairs)
        count = len(pairs)
        maps = np.full((count, *(shape or (0, 0))), np.nan, dtype=np.float32)
        drawn = [(line.position, line.record, line.scale) for line in found if line.record is not None]
        if drawn:
            positions, records, scales = zip(*drawn, strict=True)
            maps[list(positions)] = np.array(records, np.float32) * np.array(scales, np.float32)[:, None, None]
        refusals: list[str | None] = [None] * count
        for line in found:
            refusals[line.position] = line.refusal
        facts = noted([(line.position, line.diagnostics) for line in found], count)
        return StoredMaps(maps, states(count, found), facts, refusals)

    def _sound(self, index: sqlite3.Connection, pairs: Sequence[Pair]) -> list[_Found]:
        """As the index says; a line whose record was cut off is none at all."""
        shape, _ = _meta(index)
        whole = self._records.whole(shape)
        lines = self._lines(index, pairs)
        lines = [line for line in lines if line[1] is None or not _is_count(line[1]) or line[1] < whole]
        slots = [line[1] for line in lines if _is_count(line[1])]
        read = self._read(slots, shape)
        records = {slot: record for slot, record, fine in zip(slots, read, possible(read), strict=True) if fine}
        return self._given_out(_checked(pairs[line[0]], line, records) for line in lines)

    def _read(self, slots: list[int], shape: Shape | None) -> NDArray[np.float16]:
        if shape is None or not slots:
            return np.empty((0, 0, 0), np.float16)
        return self._records.read(np.array(slots, dtype=np.int64), shape)


def _checked(pair: Pair, line: tuple[Any, ...], records: Mapping[int, NDArray[np.float16]]) -> _Found | None:
    """What a line of the index says of a pair, or None where it is not as it was written."""
    position, slot, scale, refusal, diagnostics, checksum = line
    record = records.get(slot)
    if (slot is None) == (refusal is None) or (slot is None) != (record is None) or not isinstance(scale, float):
        return None
    try:
        facts = read_notes(diagnostics)
        right = 0 <= scale <= _LARGEST_SCALE and checksum in (
            None,
            _Line(*pair, scale, refusal, diagnostics).checksum(record),
        )
    except NO_NOTES:
        right = False
    return _Found(position, record, scale, refusal, facts) if right else None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


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
