"""How alike one method's maps of the trained model are to others: lines of an index (see `index`), and nothing else.

What is compared with is a state of the cascade (see `state`); its name is part of a line's target. Values are kept as
float16: differences below 0.0005 are rounding, and are not told apart.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xai_core.store.index import IndexedStore, Pair
from xai_core.types import Array

_HALF = np.dtype("<f2")
_KINDS = ("random", "repeat", "other", "run", "labels")
_STATE = re.compile(
    rf"(?P<target>[^~]+)~(?P<kind>{'|'.join(_KINDS)})(?::(?P<about>[0-9a-f-]+))?(?:@(?P<seed>[0-9]{{1,19}}))?", re.ASCII
)


class State(NamedTuple):
    """What the trained model's map is compared with.

    Attributes:
        kind: `random` (the map of a copy with random stages), `repeat` (the same model asked again with other seeds),
            `other` (its map of another picture), `run` (a run trained apart by the same recipe), `labels` (one trained
            on random labels).
        about: of `random` the first and last random stage, `2-9`, from 0 at the input; of `other` that picture's row;
            of runs the beginning of their fingerprint.
        seed: of the random weights and of methods that draw; None where nothing is drawn.
    """

    kind: str
    about: str = ""
    seed: int | None = None

    def key(self, target: str) -> str:
        """As lines are kept by, for a sample whose maps explain `target`."""
        about = f":{self.about}" if self.about else ""
        return f"{target}~{self.kind}{about}" + ("" if self.seed is None else f"@{self.seed}")

    @classmethod
    def parse(cls, key: str) -> tuple[str, State] | None:
        """The target and the state of a line's key; None where it is none."""
        found = _STATE.fullmatch(key)
        if found is None:
            return None
        seed = found["seed"]
        return found["target"], cls(found["kind"], found["about"] or "", None if seed is None else int(seed))


@dataclass(frozen=True)
class Likenesses:
    """All lines of a store, L of them.

    Attributes:
        rows: `(L,)` row numbers.
        targets: what the maps explain.
        states: what they are compared with.
        values: `(L, M)` float32; NaN where a measure has no value: a map is the same everywhere, or there is none.
        reasons: per line None, or why there is no map to compare with.
    """

    rows: NDArray[np.int64]
    targets: list[str]
    states: list[State]
    values: Array
    reasons: list[str | None]


class _Line(NamedTuple):
    row: int
    target: str
    likeness: bytes
    reason: str | None

    def checksum(self) -> int:
        """Of all that is kept."""
        return zlib.crc32(self.likeness, zlib.crc32(f"{self.row} {self.target} {self.reason!r}".encode()))


class _Found(NamedTuple):
    position: int
    refusal: str | None


class LikenessStore(IndexedStore):
    """A folder of stored likenesses. Safe to share between threads: every call opens the index for itself."""

    holds = "similarities"
    tables = """
    CREATE TABLE IF NOT EXISTS rows (
        row INTEGER, target TEXT, likeness BLOB, reason TEXT, checksum INTEGER, PRIMARY KEY (row, target)
    ) WITHOUT ROWID;
    """
    columns = ("likeness", "reason")

    def put(
        self, rows: NDArray[np.int64], targets: Sequence[str], values: Array, reasons: Sequence[str | None]
    ) -> None:
        """Store N lines, all of them or none. A pair that is stored already stays as it is.

        Args:
            rows: `(N,)` row numbers.
            targets: N keys of states, see `State.key`.
            values: `(N, M)`, NaN where there is no value.
            reasons: per line None, or why there is no map to compare with.

        Raises:
            StorageFull: no room; earlier lines are kept.
        """
        pairs, halves = self._pairs(rows, targets), np.ascontiguousarray(values, dtype=_HALF)
        each = zip(pairs, halves, reasons, strict=True)
        lines = [_Line(*pair, half.tobytes(), reason) for pair, half, reason in each]
        with self._index() as index:
            index.execute("BEGIN IMMEDIATE")
            self._name(index, [(*lines[at], lines[at].checksum()) for at in self._fresh(index, pairs)])
            index.execute("COMMIT")

    def every(self, measures: int) -> Likenesses:
        """All sound lines with this many measures."""
        with self._index() as index:
            lines = index.execute("SELECT row, target, likeness, reason, checksum FROM rows").fetchall()
        size, kept = measures * _HALF.itemsize, list[tuple[int, str, State, bytes, str | None]]()
        for row, key, likeness, reason, checksum in lines:
            parsed = State.parse(key) if _sound(row, key, likeness, reason, checksum) else None
            if parsed is not None and len(likeness) == size:
                kept.append((row, *parsed, likeness, reason))
        values = np.frombuffer(b"".join(line[3] for line in kept), _HALF).astype(np.float32)
        return Likenesses(
            np.array([line[0] for line in kept], dtype=np.int64),
            [line[1] for line in kept],
            [line[2] for line in kept],
            values.reshape(len(kept), measures),
            [line[4] for line in kept],
        )

    def _sound(self, index: sqlite3.Connection, pairs: Sequence[Pair]) -> list[_Found]:
        lines = ((*pairs[line[0]], *line) for line in self._lines(index, pairs))
        return [
            _Found(position, reason)
            for row, key, position, likeness, reason, checksum in lines
            if _sound(row, key, likeness, reason, checksum)
        ]


def _sound(row: Any, key: Any, likeness: Any, reason: Any, checksum: Any) -> bool:
    """Whether a line is as it was written."""
    if not isinstance(likeness, bytes) or not isinstance(reason, str | None) or not isinstance(key, str):
        return False
    return bool(checksum == _Line(row, key, likeness, reason).checksum())
