"""What a model said of samples: one table, and parts that were added to it and not yet brought into it.

Nobody who adds reads what is there: a part is a file of its own with a name of its own, so any number of processes may
add at once, and a killed one loses only what it had not added yet. Bringing the parts into the table is left to
whoever has finished, under the folder's lock, and takes away only parts whose content the table has.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotFound
from xai_core.files import damaged, locked, storage_errors
from xai_core.store import files
from xai_core.types import Array

if TYPE_CHECKING:
    from xai_core.store.study import Study

TABLE = "predictions.parquet"
SUM_TOLERANCE = 2e-3
"""By how much the probabilities of a sample may miss 1; tables from elsewhere are rounded."""

_MODEL, _SAMPLES = "model", "samples_digest"

_PART = re.compile(r"predictions\.[0-9a-f]{32}\.parquet")
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Predictions:
    """What a model said of n samples.

    Attributes:
        rows: `(n,)` row numbers, ascending.
        probabilities: `(n, K)`, 0 … 1.
        predicted: `(n,)` the most probable class.
        loss: `(n,)` cross-entropy against the label, in nats.
    """

    rows: NDArray[np.int64]
    probabilities: Array
    predicted: NDArray[np.int64]
    loss: Array

    def have(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`(n,)` which of these rows there is a prediction for."""
        return np.isin(rows, self.rows)

    def at(self, rows: Sequence[int] | NDArray[np.int64]) -> Predicted:
        """What was said of these rows, in the order given.

        Raises:
            NotFound: there is no prediction for one of them.
        """
        wanted = np.asarray(rows, np.int64)
        places = np.searchsorted(self.rows, wanted)
        known = places < len(self.rows)
        known[known] = self.rows[places[known]] == wanted[known]
        if not known.all():
            missing = int(wanted[~known][0])
            raise NotFound("no prediction for a sample", value=f"row {missing}", remedy="xai predict asks for it.")
        return Predicted(self, wanted, places)


@dataclass(frozen=True)
class Predicted:
    """What a model said of some samples; looked up when asked for, so that nobody copies what he does not read.

    Attributes:
        rows: `(n,)` row numbers, in any order.
        places: `(n,)` where they stand among all predictions.
    """

    _all: Predictions
    rows: NDArray[np.int64]
    places: NDArray[np.int64]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """`(n,)` the most probable class of each."""
        return self._all.predicted[self.places]

    @property
    def probabilities(self) -> Array:
        """`(n, K)`, 0 … 1."""
        return self._all.probabilities[self.places]

    @property
    def loss(self) -> Array:
        """`(n,)` cross-entropy against the label, in nats."""
        return self._all.loss[self.places]


class PredictionFiles:
    """The predictions in a run's folder. Safe to share between threads; what other processes add is seen."""

    def __init__(self, study: Study, folder: Path, fingerprint: Callable[[], str]) -> None:
        self._study, self._folder, self._fingerprint = study, folder, fingerprint
        self._kept: tuple[dict[str, files.Signature], Predictions] | None = None

    def get(self) -> Predictions | None:
        """All of them, or None. Raises BadInput when a file is damaged or about other samples."""
        while True:
            now = self._listed()
            if not now:
                return None
            if self._kept is not None and self._kept[0] == now:
                return self._kept[1]
            try:
                found = _joined([self._read(self._folder / name) for name in now])
            except BadInput:
                if self._listed() == now:
                    raise
                continue  # somebody brought the parts into the table meanwhile
            self._kept = (now, found)
            return found

    def replace(self, rows: NDArray[np.int64], probabilities: Array, losses: Array | None) -> None:
        """Write the table anew and take the parts away. Raises BadInput and StorageFull; the old ones are then kept."""
        made = self._made(rows, probabilities, losses)
        parts = self._parts()  # what is added from now on stays
        self._write(self._folder / TABLE, made)
        self._remove(parts)

    def add(self, rows: NDArray[np.int64], probabilities: Array, losses: Array | None) -> None:
        """Write a part. Raises BadInput and StorageFull; nothing else is touched."""
        made = self._made(rows, probabilities, losses)
        self._write(self._folder / f"predictions.{uuid.uuid4().hex}.parquet", made)

    def settle(self) -> None:
        """Bring the parts into the table. Where the file system knows no locks they stay as they are."""
        with ExitStack() as held:
            try:
                held.enter_context(locked(self._folder, wait=True))
            except OSError:
                return
            parts = self._parts()
            found = self.get() if parts else None
            if found is not None:
                self._write(self._folder / TABLE, found)
                self._remove(parts)

    def _listed(self) -> dict[str, files.Signature]:
        """The table first, then its parts by name: of two predictions of one sample the first counts."""
        names = [TABLE, *self._parts()]
        return {name: found for name in names if (found := files.signature(self._folder / name)) is not None}

    def _parts(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._folder) if _PART.fullmatch(name))
        except OSError:  # no folder, no parts
            return []

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            with storage_errors(self._folder / name):
                (self._folder / name).unlink(missing_ok=True)

    def _made(self, rows: NDArray[np.int64], probabilities: Array, losses: Array | None) -> Predictions:
        order = np.argsort(rows, kind="stable") if rows.ndim == 1 else np.empty(0, np.int64)
        if rows.ndim == 1 and len(probabilities) == len(rows):
            rows, probabilities = rows[order], probabilities[order]
        problem = self._problem(rows, probabilities)
        if problem:
            raise BadInput("predictions that cannot be right", value=problem, remedy="Mend them and write again.")
        if losses is None:
            chosen = probabilities[np.arange(len(rows)), self._study.labels[rows]]
            return Predictions(rows, probabilities, _most_probable(probabilities), -np.log(np.maximum(chosen, _TINY)))
        return Predictions(rows, probabilities, _most_probable(probabilities), np.asarray(losses, np.float32)[order])

    def _problem(self, rows: NDArray[np.int64], probabilities: Array) -> str:
        """What cannot be right, or ""; `rows` in the order in which they are stored."""
        classes, samples = len(self._study.class_names), len(self._study.labels)
        if rows.ndim != 1 or probabilities.shape != (len(rows), classes):
            return f"probabilities of shape {probabilities.shape} for {len(rows)} rows and {classes} classes"
        if len(rows) and (rows[0] < 0 or rows[-1] >= samples or (np.diff(rows) <= 0).any()):
            return "a row that does not exist, or twice"
        if not ((probabilities >= 0) & (probabilities <= 1 + SUM_TOLERANCE)).all():  # NaN compares false
            return "a probability outside 0 … 1"
        if (np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) > SUM_TOLERANCE).any():
            return "probabilities that do not add up to 1"
        return ""

    def _write(self, path: Path, made: Predictions) -> None:
        self._study.bring_up()
        columns = [
            self._study.ids(made.rows),
            pa.array(made.rows),
            pa.array(made.predicted),
            pa.array(made.loss),
            pa.FixedSizeListArray.from_arrays(made.probabilities.ravel(), made.probabilities.shape[1]),
        ]
        files.write_table(path, pa.table(columns, schema=self._schema), self._about)

    @property
    def _about(self) -> dict[str, str]:
        """Whose predictions they are, and of what: the files of two runs look alike."""
        return {_MODEL: self._fingerprint(), _SAMPLES: self._study.info.samples_digest}

    @property
    def _schema(self) -> pa.Schema:
        types = {"id": pa.string(), "row": pa.int64(), "predicted": pa.int64(), "loss": pa.float32()}
        types["probabilities"] = pa.list_(pa.float32(), len(self._study.class_names))
        return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])

    def _read(self, path: Path) -> Predictions:
        table = files.read_table(path, self._schema)
        rows, predicted, loss = (table[name].to_numpy() for name in ("row", "predicted", "loss"))
        probabilities = table["probabilities"].combine_chunks().flatten().to_numpy()
        probabilities = probabilities.reshape(len(rows), len(self._study.class_names))
        problem = self._problem(rows, probabilities)
        if not problem and not self._study.ids(rows).equals(table["id"].combine_chunks()):
            problem = "it is about other samples"
        written = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        if not problem and any(written.get(key, value) != value for key, value in self._about.items()):
            problem = "it is another run's, or another study's"
        if not problem and not _agree(predicted, loss, probabilities):
            problem = "the predicted class is not the most probable one, or a loss is no number"
        if problem:
            raise damaged(path, problem)
        return Predictions(rows, probabilities, predicted, loss)


def _most_probable(probabilities: Array) -> NDArray[np.int64]:
    return probabilities.argmax(axis=1).astype(np.int64)


def _agree(predicted: NDArray[np.int64], loss: Array, probabilities: Array) -> bool:
    """Whether each predicted class is the most probable one (or one of several), and each loss a number."""
    known = ((predicted >= 0) & (predicted < probabilities.shape[1])).all()
    if not known or not np.isfinite(loss).all():
        return False
    return bool((probabilities[np.arange(len(predicted)), predicted] == probabilities.max(axis=1, initial=0)).all())


def _joined(parts: list[Predictions]) -> Predictions:
    """All in one, by ascending row."""
    if len(parts) == 1:
        return parts[0]
    rows, first = np.unique(np.concatenate([part.rows for part in parts]), return_index=True)
    return Predictions(
        rows,
        np.concatenate([part.probabilities for part in parts])[first],
        np.concatenate([part.predicted for part in parts])[first],
        np.concatenate([part.loss for part in parts])[first],
    )
