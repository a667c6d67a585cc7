"""Samples of different splits that look nearly the same, as a scan found them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from xai_core.errors import XaiError
from xai_core.store import files
from xai_core.store.samples import DIGEST
from xai_core.types import SPLITS

TABLE = "twins.parquet"
_SCHEMA = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in ("row", "other", "distance")])


def write(folder: Path, pairs: NDArray[np.int64], digest: str) -> None:
    """Pairs `(m, 3)` of rows of the sample table with this digest; once, with the study."""
    columns = dict(zip(_SCHEMA.names, np.asarray(pairs, np.int64).reshape(-1, 3).T, strict=True))
    files.write_table(folder / TABLE, pa.table(columns, schema=_SCHEMA), {DIGEST: digest})


def read(folder: Path, digest: str, count: int) -> NDArray[np.int64] | None:
    """The pairs `(m, 3)`; None where nobody looked for them, or the file is damaged or about other samples."""
    if not (folder / TABLE).is_file():
        return None
    try:
        table = files.read_table(folder / TABLE, _SCHEMA)
    except XaiError:
        return None
    pairs = np.stack([table[name].to_numpy() for name in _SCHEMA.names], axis=1)
    fits = not len(pairs) or (pairs.min() >= 0 and pairs[:, :2].max() < count)
    told = (table.schema.metadata or {}).get(DIGEST.encode())
    return pairs if fits and told == digest.encode() else None


def identical(table: pd.DataFrame) -> pd.DataFrame:
    """Groups of samples of one content that lie in more than one split: `sha256`, `rows` (list), `splits` (tuple)."""
    alike = table[table["sha256"].duplicated(keep=False)]
    found = [
        (sha256, group.index.tolist(), tuple(s for s in SPLITS if s in set(group["split"])))
        for sha256, group in alike.groupby("sha256", sort=False)
    ]
    return pd.DataFrame([g for g in found if len(g[2]) > 1], columns=["sha256", "rows", "splits"])
