"""Maps of one method on one model: records of one shape in `maps.bin`, named by `index.sqlite`.

What the index does not name does not exist. A writer takes slots in a transaction, writes the records, syncs them,
and then commits their names; so a writer may die at any moment, and any number of processes may write at once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xai_core.files import damaged, storage_errors
from xai_core.store import files
from xai_core.store.records import Records, Shape, encode, refused
from xai_core.types import Array

MISSING, STORED, REFUSED = 0, 1, 2
_MANIFEST, _INDEX = "manifest.json", "index.sqlite"
_BUSY_SECONDS = 120.0
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (height INTEGER, width INTEGER, slots INTEGER NOT NULL);
INSERT INTO meta SELECT NULL, NULL, 0 WHERE NOT EXISTS (SELECT 1 FROM meta);
CREATE TABLE IF NOT EXISTS rows (
    row INTEGER, target TEXT, slot INTEGER, scale REAL, refusal TEXT, diagnostics TEXT, PRIMARY KEY (row, target)
) WITHOUT ROWID;
"""
# CROSS JOIN keeps SQLite from scanning all rows for a few wanted ones
_LOOK_UP = """
SELECT wanted.key, slot, scale, refusal, diagnostics FROM json_each(?) AS wanted
CROSS JOIN rows ON row = json_extract(wanted.value, '$[0]') AND target = json_extract(wanted.value, '$[1]')
"""


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


class _Found(NamedTuple):
    """A line of the index that answers the pair at `position`; its slot lies within the file."""

    position: int
    slot: int | None
    scale: float
    refusal: str | None
    diagnostics: str


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
                self._shape = _shape(index)
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
            self._write(index, lines, records)
            index.execute("COMMIT")

    def _write(self, index: sqlite3.Connection, lines: list[_Line], records: NDArray[np.float16]) -> None:
        """Inside a transaction: the records of what is new, then their names."""
        known = {found[0] for found in index.execute(_LOOK_UP, (json.dumps([line[:2] for line in lines]),))}
        fresh = [position for position in _first(lines) if position not in known]
        drawn = [position for position in fresh if lines[position].refusal is None]
        if drawn:
            _fix_shape(index, (records.shape[1], records.shape[2]))
        (start,) = index.execute("SELECT slots FROM meta").fetchone()
        slots = dict(zip(drawn, range(start, start + len(drawn)), strict=True))
        self._records.append(start, records[drawn])
        index.execute("UPDATE meta SET slots = ?", (start + len(drawn),))
        index.executemany(
            "INSERT INTO rows (slot, row, target, scale, refusal, diagnostics) VALUES (?, ?, ?, ?, ?, ?)",
            [(slots.get(position), *lines[position]) for position in fresh],
        )

    def _begin(self, index: sqlite3.Connection) -> None:
        """Start a transaction in which every named slot lies within the file.

        Names of records that were cut off (a copy that broke) are dropped in a transaction of their own: were the
        file to grow first and this writer to die, they would name zeros.
        """
        index.execute("BEGIN IMMEDIATE")
        (slots,) = index.execute("SELECT slots FROM meta").fetchone()
        whole = self._records.whole(_shape(index))
        if slots > whole:
            index.execute("DELETE FROM rows WHERE slot >= ?", (whole,))
            index.execute("UPDATE meta SET slots = ?", (whole,))
            index.execute("COMMIT")
            self._begin(index)

    def state(self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str]) -> NDArray[np.uint8]:
        """`(N,)` MISSING, STORED or REFUSED."""
        _, found = self._look_up(rows, targets)
        return _state(len(rows), found)

    def get(self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str]) -> StoredMaps:
        """The maps of N (row, target) pairs, with what is known of them."""
        shape, found = self._look_up(rows, targets)
        count = len(rows)
        maps = np.full((count, *(shape or (0, 0))), np.nan, dtype=np.float32)
        drawn = [line for line in found if line.slot is not None]
        if shape and drawn:
            raw = self._records.read(np.array([line.slot for line in drawn], dtype=np.int64), shape)
            scales = np.array([line.scale for line in drawn], dtype=np.float32)
            maps[[line.position for line in drawn]] = raw * scales[:, None, None]
        diagnostics: dict[str, Array] = {}
        refusals: list[str | None] = [None] * count
        for line in found:
            refusals[line.position] = line.refusal
            for name, value in json.loads(line.diagnostics).items():
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
        wanted = json.dumps([(int(row), target) for row, target in zip(rows, targets, strict=True)])
        with self._index() as index:
            index.execute("BEGIN")  # shape, rows and size of one moment: no writer commits meanwhile
            shape = _shape(index)
            lines = index.execute(_LOOK_UP, (wanted,)).fetchall()
            whole = self._records.whole(shape)
        return shape, [_Found(*line) for line in lines if line[1] is None or line[1] < whole]

    @contextmanager
    def _index(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each call: threads share none, and none outlives a fork.

        The rollback journal (SQLite's default) leaves no second file behind, so a finished store works on read-only
        media; `mode=rw` falls back to reading there, and elsewhere may roll back what a dead writer left.
        """
        path = self.path / _INDEX
        if not create and not path.is_file():
            raise damaged(path, "the file is missing")
        with storage_errors(path):
            index = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
            )
            try:
                yield index
            finally:
                index.close()  # rolls back what was not committed


def _first(lines: list[_Line]) -> list[int]:
    """Positions at which each (row, target) comes for the first time."""
    positions: dict[tuple[int, str], int] = {}
    for position, line in enumerate(lines):
        positions.setdefault((line.row, line.target), position)
    return list(positions.values())


def _shape(index: sqlite3.Connection) -> Shape | None:
    height, width = index.execute("SELECT height, width FROM meta").fetchone()
    return None if height is None else (height, width)


def _fix_shape(index: sqlite3.Connection, shape: Shape) -> None:
    known = _shape(index)
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
