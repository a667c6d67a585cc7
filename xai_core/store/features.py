"""A run's features: what its last layer gets of each sample, in `features/`, part by part as they were computed.

Reading them needs no torch and no model, so a last layer can be trained again and again in seconds. A part names the
model's fingerprint, the layer and the sample table; parts of another model count as missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xai_core.errors import XaiError
from xai_core.store import files
from xai_core.store.samples import DIGEST
from xai_core.types import Array

if TYPE_CHECKING:
    from xai_core.store.run import Run

FOLDER = "features"
_MODEL, _LAYER = "model", "layer"


@dataclass(frozen=True, eq=False)
class Features:
    """Of some samples: `rows` `(n,)` ascending, and `values` `(n, D)` float32, the input of the last layer."""

    rows: NDArray[np.int64]
    values: Array

    def at(self, rows: NDArray[np.int64]) -> Array:
        """`(len(rows), D)`; all of these rows must be there."""
        return self.values[np.searchsorted(self.rows, rows)]


class FeatureFiles:
    """The features of a run at its layer of this name."""

    def __init__(self, run: Run, layer: str) -> None:
        self.path = run.path / FOLDER
        self._count = len(run.study.labels)
        self._about = {_MODEL: run.info.fingerprint, _LAYER: layer, DIGEST: run.study.info.samples_digest}

    def read(self) -> Features | None:
        """All that is stored and sound; None where nothing is. Of two of one sample the first counts."""
        parts = list(self._parts())
        if not parts:
            return None
        rows, first = np.unique(np.concatenate([part[0] for part in parts]), return_index=True)
        return Features(rows, np.concatenate([part[1] for part in parts])[first])

    def add(self, rows: NDArray[np.int64], values: Array) -> None:
        """Keep `(n, D)` features of these rows as a part of its own. Raises StorageFull, and BadInput."""
        width = values.shape[1]
        flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
        table = pa.table(
            {"row": pa.array(rows, pa.int64()), "features": pa.FixedSizeListArray.from_arrays(flat, width)}
        )
        self.path.mkdir(parents=True, exist_ok=True)
        model = self._about[_MODEL][:8]
        files.write_table(self.path / f"{model}-{int(rows[0]):08d}-{len(rows)}.parquet", table, self._about)

    def _parts(self) -> Iterator[tuple[NDArray[np.int64], Array]]:
        width = None
        for path in sorted(self.path.glob("*.parquet")):
            part = self._part(path)
            if part is not None and width in (None, part[1].shape[1]):
                width = part[1].shape[1]
                yield part

    def _part(self, path: Path) -> tuple[NDArray[np.int64], Array] | None:
        """Damage counts as missing: it is computed again."""
        try:
            table = files.read_table(path, None)
            told = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            if any(told.get(name) != value for name, value in self._about.items()):
                return None
            rows, column = table["row"].to_numpy(), table["features"].combine_chunks()
            values = column.values.to_numpy().reshape(len(rows), -1)
        except (XaiError, KeyError, AttributeError, ValueError, pa.ArrowException):
            return None
        sound = len(rows) and 0 <= rows.min() <= rows.max() < self._count and np.isfinite(values).all()
        return (rows.astype(np.int64), values.astype(np.float32)) if sound else None


def stored_features(run: Run) -> Features | None:
    """What is stored of a run, of whichever layer: there is one last layer. None where nothing is."""
    for path in sorted((run.path / FOLDER).glob("*.parquet")):
        try:
            told = files.read_table(path, None).schema.metadata or {}
        except XaiError:
            continue
        if told.get(_MODEL.encode()) == run.info.fingerprint.encode() and _LAYER.encode() in told:
            return FeatureFiles(run, told[_LAYER.encode()].decode()).read()
    return None
