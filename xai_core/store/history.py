"""The file of a run's history: a line for each epoch, split and measure; older files have a column for each measure."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from xai_core.errors import BadInput
from xai_core.store import files
from xai_core.training.history import COLUMNS, MEASURES

HISTORY_FILE = "history.parquet"
_TYPES = (pa.int64(), pa.string(), pa.string(), pa.float64())
_SCHEMA = pa.schema([pa.field(n, t, nullable=n == "value") for n, t in zip(COLUMNS, _TYPES, strict=True)])
_WIDE = pa.schema([("epoch", pa.int64()), ("split", pa.string()), *((name, pa.float64()) for name in MEASURES)])


def write_history(path: Path, history: pd.DataFrame) -> None:
    """Replace a history with COLUMNS. Raises StorageFull, and BadInput where a column is missing."""
    files.write_table(path, files.to_table(history, _SCHEMA, "the history"))


def read_history(path: Path) -> pd.DataFrame:
    """COLUMNS, also of a file from before they were stored so. Raises BadInput for what is neither."""
    try:
        return files.read_table(path, _SCHEMA).to_pandas(use_threads=False)
    except BadInput:
        try:
            wide = files.read_table(path, _WIDE).to_pandas(use_threads=False)
        except BadInput:
            wide = None
        if wide is None:
            raise
    wide["line"] = range(len(wide))
    long = wide.melt(["line", "epoch", "split"], list(MEASURES), "measure").dropna(subset=["value"])
    return long.sort_values("line", kind="stable")[list(COLUMNS)].reset_index(drop=True)
