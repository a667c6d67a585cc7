"""Scores of one metric on the maps of one method: lines of an index (see `index`), and nothing else.

A value is kept as it is given; a curve as little-endian float32.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple, Protocol

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
from xai_core.types import Array, Scores

__all__ = ["MISSING", "REFUSED", "STORED", "ScorePlace", "ScoreStore", "StoredScores"]

_FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class StoredScores:
    """What a store holds of N asked (row, target) pairs, in the order asked.

    Attributes:
        values: `(N,)` float32, NaN where missing or not scored.
        state: `(N,)` uint8: MISSING, STORED or REFUSED, which is not scored.
        reasons: per pair None, or why it is not scored.
        curves: `(N, P)` float32, NaN where there is none; None where no curve is stored.
        beside: named `(N,)` float32, NaN where there is none.
    """

    values: Array
    state: NDArray[np.uint8]
    reasons: list[str | None]
    curves: Array | None
    beside: dict[str, Array]


class _Line(NamedTuple):
    """What the index keeps of one score."""

    row: int
    target: str
    value: float | None
    reason: str | None
    curve: bytes | None
    beside: str

    def checksum(self) -> int:
        """Of all that is kept."""
        text = f"{self.row} {self.target} {self.value!r} {self.reason!r} {self.beside}"
        return zlib.crc32(self.curve or b"", zlib.crc32(text.encode()))


class _Found(NamedTuple):
    """A sound line of the index, which answers the pair at `position`."""

    position: int
    value: float | None
    refusal: str | None
    curve: Array | None
    beside: dict[str, float]


class ScoreStore(IndexedStore):
    """A folder of stored scores. Safe to share between threads: every call opens the index for itself."""

    holds = "scores"
    tables = """
    CREATE TABLE IF NOT EXISTS rows (
        row INTEGER, target TEXT, value REAL, reason TEXT, curve BLOB, beside TEXT, checksum INTEGER,
        PRIMARY KEY (row, target)
    ) WITHOUT ROWID;
    """
    columns = ("value", "reason", "curve", "beside")

    def put(self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str], scores: Scores) -> None:
        """Store N scores, all of them or none. A pair that is stored already stays as it is.

        Args:
            rows: `(N,)` row numbers.
            targets: N target keys.
            scores: N of them.

        Raises:
            BadInput: lengths that differ.
            StorageFull: no room; earlier scores are kept.
        """
        pairs = self._pairs(rows, targets)
        if len(pairs) != len(scores.values):
            raise self._refused("scores of another length than the rows", f"{len(scores.values)} and {len(pairs)}")
        # SQLite keeps −0.0 as 0, of which a checksum of −0.0 would not be: adding 0.0 makes it 0.0 beforehand.
        values = [None if reason else float(v) + 0.0 for v, reason in zip(scores.values, scores.reasons, strict=True)]
        curves = _curves(scores)
        facts = notes(scores.beside, len(pairs))
        each = zip(pairs, values, scores.reasons, curves, facts, strict=True)
        lines = [_Line(*pair, value, reason, curve, fact) for pair, value, reason, curve, fact in each]
        with self._index() as index:
            index.execute("BEGIN IMMEDIATE")
            self._name(index, [(*lines[at], lines[at].checksum()) for at in self._fresh(index, pairs)])
            index.execute("COMMIT")

    def get(self, rows: Sequence[int] | NDArray[np.int64], targets: Sequence[str]) -> StoredScores:
        """The scores of N (row, target) pairs, with what is known of them."""
        pairs = self._pairs(rows, targets)
        with self._index() as index:
            index.execute("BEGIN")
            found = self._sound(index, pairs)
        values = np.full(len(pairs), np.nan, dtype=np.float32)
        reasons: list[str | None] = [None] * len(pairs)
        for line in found:
            reasons[line.position] = line.refusal
            values[line.position] = np.nan if line.value is None else line.value
        beside = noted([(line.position, line.beside) for line in found], len(pairs))
        return StoredScores(values, states(len(pairs), found), reasons, _together(found, len(pairs)), beside)

    def _sound(self, index: sqlite3.Connection, pairs: Sequence[Pair]) -> list[_Found]:
        return self._given_out(_checked(pairs[line[0]], line) for line in self._lines(index, pairs))


class ScorePlace(Protocol):
    """A store that may not be there yet."""

    def __call__(self, *, create: bool) -> ScoreStore | None:
        """The store, or None where there is none and `create` is false."""
        ...


def _curves(scores: Scores) -> list[bytes | None]:
    if scores.curves is None:
        return [None] * len(scores.values)
    rows = zip(np.ascontiguousarray(scores.curves, dtype=_FLOAT), scores.reasons, strict=True)
    return [None if reason else curve.tobytes() for curve, reason in rows]


def _together(found: Sequence[_Found], count: int) -> Array | None:
    curves = {line.position: line.curve for line in found if line.curve is not None}
    if not curves:
        return None
    together = np.full((count, max(map(len, curves.values()))), np.nan, dtype=np.float32)
    for position, curve in curves.items():
        together[position, : len(curve)] = curve
    return together


def _checked(pair: Pair, line: tuple[Any, ...]) -> _Found | None:
    """What a line of the index says of a pair, or None where it is not as it was written."""
    position, value, reason, curve, beside, checksum = line
    scored = reason is None and isinstance(value, float) and isfinite(value)
    refused = isinstance(reason, str) and value is None
    if not (scored or refused) or not isinstance(curve, bytes | None) or len(curve or b"") % _FLOAT.itemsize:
        return None
    try:
        if checksum != _Line(*pair, value, reason, curve, beside).checksum():
            return None
        facts = read_notes(beside)
    except NO_NOTES:
        return None
    points = None if curve is None else np.frombuffer(curve, _FLOAT)
    return _Found(position, value, reason, points, facts)
