"""Samples of different splits that look nearly the same, as a scan found them: pairs on disk, groups for people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xai_core.errors import XaiError
from xai_core.store import files

TABLE = "twins.parquet"
_SCHEMA = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in ("row", "other", "distance")])


def write(folder: Path, pairs: NDArray[np.int64]) -> None:
    """Pairs `(m, 3)`, once, with the study."""
    columns = dict(zip(_SCHEMA.names, np.asarray(pairs, np.int64).reshape(-1, 3).T, strict=True))
    files.write_table(folder / TABLE, pa.table(columns, schema=_SCHEMA))


def read(folder: Path, samples: int) -> NDArray[np.int64] | None:
    """The pairs; None where nobody looked for them, or the file cannot be used."""
    if not (folder / TABLE).is_file():
        return None
    try:
        table = files.read_table(folder / TABLE, _SCHEMA)
    except XaiError:
        return None
    pairs = np.stack([table[name].to_numpy() for name in _SCHEMA.names], axis=1)
    fits = not len(pairs) or (pairs.min() >= 0 and pairs[:, :2].max() < samples)
    return pairs if fits else None


def grouped(pairs: NDArray[np.int64]) -> list[list[int]]:
    """Rows that are near each other, directly or through others; each group ascending, by its first."""
    top: dict[int, int] = {}

    def find(row: int) -> int:
        while top.setdefault(row, row) != row:
            top[row] = top[top[row]]
            row = top[row]
        return row

    for one, other, _ in pairs.tolist():
        first, second = sorted((find(one), find(other)))
        top[second] = first
    groups: dict[int, list[int]] = {}
    for row in sorted(top):
        groups.setdefault(find(row), []).append(row)
    return [groups[key] for key in sorted(groups)]
