"""Stored label maps: of a picture its annotation, or what a model said of each pixel and how that compares with it.

Each is a compressed record of its own size in the index (see `index`).
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xai_core.boundaries import COLUMNS as BOUNDARY_COLUMNS
from xai_core.label_maps import LabelMap
from xai_core.store.index import IndexedStore, Pair

WHOLE = ""
"""The target of every line: a label map is about all classes."""

Numbers = tuple[NDArray[np.int64], NDArray[np.int64] | None]
"""Counts of a prediction, and its boundaries, which predictions of before lack."""

CONFUSED = 3
"""Columns of `label_maps.sparse_confusion`."""

_COUNT = np.dtype("<i8")
_LEVEL = 6
"""Of zlib: label maps are flat, more costs time and gains nothing."""


@dataclass(frozen=True)
class StoredLabelMap:
    """One that is as it was written.

    Attributes:
        label_map: `(height, width)` uint8.
        counts: `(m, 3)` int64 of a prediction: true class, predicted class, pixels, for what occurs; None of an
            annotation.
    """

    label_map: LabelMap
    counts: NDArray[np.int64] | None


class _Found(NamedTuple):
    position: int
    height: int
    width: int
    plane: bytes
    counts: bytes | None
    boundaries: bytes | None
    refusal: None = None

    def checksum(self, pair: Pair) -> int:
        """Of all that is kept, as it is kept: nothing has to be unpacked to be checked."""
        text = f"{pair[0]} {self.height} {self.width}"
        sums = zlib.crc32(self.plane, zlib.crc32(text.encode()))
        return zlib.crc32(self.boundaries or b"", zlib.crc32(self.counts or b"", sums))


class LabelMapStore(IndexedStore):
    """A folder of label maps. Safe to share between threads: every call opens the index for itself."""

    holds = "label maps"
    tables = """
    CREATE TABLE IF NOT EXISTS rows (
        row INTEGER, target TEXT, height INTEGER, width INTEGER, plane BLOB, counts BLOB, boundaries BLOB,
        checksum INTEGER, PRIMARY KEY (row, target)
    ) WITHOUT ROWID;
    """
    columns = ("height", "width", "plane", "counts", "boundaries")
    later = MappingProxyType({"boundaries": "BLOB"})

    def put(
        self,
        rows: Sequence[int] | NDArray[np.int64],
        label_maps: Sequence[LabelMap],
        counts: Sequence[NDArray[np.int64]] | None = None,
        boundaries: Sequence[NDArray[np.int64]] | None = None,
    ) -> None:
        """Store N label maps, all of them or none. A row that is stored already stays as it is.

        Args:
            rows: N rows.
            label_maps: of each.
            counts, boundaries: of predictions, see `label_maps.sparse_confusion` and `boundaries.boundary_counts`.

        Raises:
            BadInput: lengths that differ.
            StorageFull: no room; earlier ones are kept.
        """
        pairs = self._pairs(rows, [WHOLE] * len(rows))
        if len(pairs) != len(label_maps) or (counts is not None and len(counts) != len(pairs)):
            raise self._refused("label maps of another number than the rows", f"{len(label_maps)} and {len(pairs)}")
        numbers = [_packed(each, len(pairs)) for each in (counts, boundaries)]
        packed = [zlib.compress(np.ascontiguousarray(each, np.uint8).tobytes(), _LEVEL) for each in label_maps]
        found = [
            _Found(at, each.shape[0], each.shape[1], plane, *beside)
            for at, (each, plane, *beside) in enumerate(zip(label_maps, packed, *numbers, strict=True))
        ]
        with self._index() as index:
            index.execute("BEGIN IMMEDIATE")
            fresh = [found[at] for at in self._fresh(index, pairs)]
            self._name(index, [(*pairs[one.position], *one[1:6], one.checksum(pairs[one.position])) for one in fresh])
            index.execute("COMMIT")

    def get(self, row: int) -> StoredLabelMap | None:
        """The label map of a row, or None where there is none."""
        pairs = self._pairs([row], [WHOLE])
        with self._index() as index:
            index.execute("BEGIN")
            found = self._sound(index, pairs)
        if not found:
            return None
        (one,) = found
        plane = np.frombuffer(zlib.decompress(one.plane), np.uint8).reshape(one.height, one.width)
        return StoredLabelMap(plane, None if one.counts is None else _counts(one.counts, CONFUSED))

    def counts(self, rows: Sequence[int] | NDArray[np.int64]) -> list[NDArray[np.int64] | None]:
        """Of each row its `counts`, without unpacking label maps; None where there is nothing."""
        return [None if one is None else one[0] for one in self.numbers(rows)]

    def numbers(self, rows: Sequence[int] | NDArray[np.int64]) -> list[Numbers | None]:
        """Of each row its counts and boundaries, without unpacking label maps; None where there is nothing."""
        pairs = self._pairs(rows, [WHOLE] * len(rows))
        with self._index() as index:
            index.execute("BEGIN")
            found = {one.position: one for one in self._sound(index, pairs)}
        return [_numbers(found.get(at)) for at in range(len(pairs))]

    def digest(self) -> str:
        """sha256 over the rows and the checksums of their label maps."""
        with self._index() as index:
            lines = index.execute("SELECT row, checksum FROM rows ORDER BY row").fetchall()
        return hashlib.sha256(repr(lines).encode()).hexdigest()

    def _sound(self, index: sqlite3.Connection, pairs: Sequence[Pair]) -> list[_Found]:
        return self._given_out(_checked(pairs[line[0]], line) for line in self._lines(index, pairs))


def _checked(pair: Pair, line: tuple[Any, ...]) -> _Found | None:
    """What a line of the index says of a row, or None where it is not as it was written."""
    *values, checksum = line
    kinds = (int, int, int, bytes, bytes | None, bytes | None)
    if not all(isinstance(value, kind) for value, kind in zip(values, kinds, strict=True)):
        return None
    found = _Found(*values)
    return found if checksum == found.checksum(pair) else None


def _packed(counts: Sequence[NDArray[np.int64]] | None, rows: int) -> list[bytes | None]:
    return [None] * rows if counts is None else [np.asarray(each, _COUNT).tobytes() for each in counts]


def _counts(kept: bytes, columns: int) -> NDArray[np.int64]:
    return np.frombuffer(kept, _COUNT).reshape(-1, columns)


def _numbers(one: _Found | None) -> Numbers | None:
    if one is None or one.counts is None:
        return None
    edges = None if one.boundaries is None else _counts(one.boundaries, BOUNDARY_COLUMNS)
    return _counts(one.counts, CONFUSED), edges
