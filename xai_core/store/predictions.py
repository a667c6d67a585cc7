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
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotFound
from xai_core.files import damaged, locked, storage_errors
from xai_core.store import files
from xai_core.store.chances import KEPT, Chances, Dense, Largest, Stated, are_many, joined, largest
from xai_core.task import loss_of, most_probable
from xai_core.types import Array

if TYPE_CHECKING:
    from xai_core.store.study import Study

TABLE = "predictions.parquet"
_MODEL, _SAMPLES = "model", "samples_digest"
_LABELS_ALONE = (
    "This run tells predicted classes alone: without probabilities there is no confidence, calibration or loss."
)
_NO_OTHERS = "This run tells the predicted class and its probability: without the others there is no margin or loss."

_PART = re.compile(r"predictions\.[0-9a-f]{32}\.parquet")


@dataclass(frozen=True)
class Predictions:
    """What a model said of n samples.

    Attributes:
        rows: `(n,)` row numbers, ascending.
        chances: the probabilities, as they are stored.
        predicted: `(n,)` the most probable class.
        loss: `(n,)` cross-entropy against the label, in nats; NaN where the probabilities are not known.
    """

    rows: NDArray[np.int64]
    chances: Chances
    predicted: NDArray[np.int64]
    loss: Array

    @property
    def probabilities(self) -> Array:
        """`(n, K)`, 0 … 1; NaN where there are so many classes that it was not kept. Of many samples ask `at`."""
        return self.chances.dense(slice(None))

    @property
    def confidence(self) -> Array:
        """`(n,)` the probability of the predicted class."""
        return self.chances.of(slice(None), self.predicted)

    @property
    def scores(self) -> tuple[str, ...]:
        """Those of `confidence`, `margin` and `loss` that are known."""
        if not isinstance(self.chances, Stated):
            return ("confidence", "margin", "loss")
        return ("confidence",) if np.isfinite(self.chances.confidence).any() else ()

    @property
    def lacks(self) -> str:
        """A sentence on what is not known, because predictions came without all probabilities; else ""."""
        if not isinstance(self.chances, Stated):
            return ""
        return _NO_OTHERS if self.scores else _LABELS_ALONE

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
        """`(n, K)`, 0 … 1; NaN where there are so many classes that it was not kept: see `of`."""
        return self._all.chances.dense(self.places)

    def of(self, classes: NDArray[np.int64]) -> Array:
        """`(n,)` the probability of one class for each; NaN where it was not kept. A label's and the largest are."""
        return self._all.chances.of(self.places, np.asarray(classes, np.int64))

    @property
    def confidence(self) -> Array:
        """`(n,)` the probability of the predicted class."""
        return self.of(self.predicted)

    @property
    def margin(self) -> Array:
        """`(n,)` the largest probability minus the second largest."""
        two = self._all.chances.two_largest(self.places)
        margin: Array = two[:, 0] - two[:, 1]
        return margin

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
                found = _joined([self._read(self._folder / name) for name in now], self._study.labels)
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

    def replace_labels(self, rows: NDArray[np.int64], predicted: NDArray[np.int64], confidence: Array | None) -> None:
        """The same with predicted classes, and at most the probabilities of these."""
        order = np.argsort(rows, kind="stable")
        unknown = np.full(len(rows), np.nan, np.float32)
        stated = Stated(predicted, unknown if confidence is None else confidence, len(self._study.class_names))
        rows, stated = rows[order], stated.taken(order)
        problem = self._wrong_rows(rows) or stated.problem()
        if problem:
            raise BadInput("predictions that cannot be right", value=problem, remedy="Correct them and write again.")
        parts = self._parts()
        self._write(self._folder / TABLE, Predictions(rows, stated, stated.classes, unknown))
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
        classes = len(self._study.class_names)
        if rows.ndim != 1 or probabilities.shape != (len(rows), classes):
            problem = f"probabilities of shape {probabilities.shape} for {len(rows)} rows and {classes} classes"
        else:
            problem = self._wrong_rows(rows) or Dense(probabilities).problem()
        if problem:
            raise BadInput("predictions that cannot be right", value=problem, remedy="Correct them and write again.")
        labels = self._study.labels[rows]
        if losses is None:
            losses = loss_of(probabilities[np.arange(len(rows)), labels])
        else:
            losses = np.asarray(losses, np.float32)[order]
        if not are_many(classes):
            return Predictions(rows, Dense(probabilities), most_probable(probabilities), losses)
        kept = largest(Dense(probabilities), labels)
        return Predictions(rows, kept, kept.classes[:, 0].astype(np.int64), losses)

    def _wrong_rows(self, rows: NDArray[np.int64]) -> str:
        """What cannot be right with the rows in the order in which they are stored, or ""."""
        known = not len(rows) or (rows[0] >= 0 and rows[-1] < len(self._study.labels) and (np.diff(rows) > 0).all())
        return "" if known else "a row that does not exist, or twice"

    def _write(self, path: Path, made: Predictions) -> None:
        self._study.bring_up()
        columns = {"id": self._study.ids(made.rows), "row": made.rows, "predicted": made.predicted}
        if isinstance(made.chances, Stated):
            columns["confidence"] = made.chances.confidence
            files.write_table(path, pa.table(columns, schema=self._schema(columns)), self._about)
            return
        columns["loss"] = made.loss
        if are_many(len(self._study.class_names)):
            kept = largest(made.chances, self._study.labels[made.rows])
            columns |= {"of_label": kept.of_label, "rest": kept.rest}
            columns |= {"classes": _lists(kept.classes), "largest": _lists(kept.values)}
        else:
            columns["probabilities"] = _lists(made.chances.dense(slice(None)))
        files.write_table(path, pa.table(columns, schema=self._schema(columns)), self._about)

    @property
    def _about(self) -> dict[str, str]:
        """Whose predictions they are, and of what: the files of two runs look alike."""
        return {_MODEL: self._fingerprint(), _SAMPLES: self._study.info.samples_digest}

    def _schema(self, names: Iterable[str]) -> pa.Schema:
        """Of a file with columns of these names: where only the largest probabilities are kept, `largest` is one, and
        where labels were predicted alone, `confidence`."""
        types = {"id": pa.string(), "row": pa.int64(), "predicted": pa.int64(), "loss": pa.float32()}
        if "confidence" in names:
            types["confidence"] = types.pop("loss")
        elif "largest" in names:
            types |= {"of_label": pa.float32(), "rest": pa.float32()}
            types |= {"classes": pa.list_(pa.int32(), KEPT), "largest": pa.list_(pa.float32(), KEPT)}
        else:
            types["probabilities"] = pa.list_(pa.float32(), len(self._study.class_names))
        return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])

    def _read(self, path: Path) -> Predictions:
        table = files.read_table(path, self._schema)
        rows, predicted = (table[name].to_numpy() for name in ("row", "predicted"))
        problem = self._wrong_rows(rows)
        if not problem and not self._study.ids(rows).equals(table["id"].combine_chunks()):
            problem = "it is about other samples"
        if problem:
            raise damaged(path, problem)
        chances = self._chances(table, rows)
        known = "loss" in table.column_names
        loss = table["loss"].to_numpy() if known else np.full(len(rows), np.nan, np.float32)
        problem = chances.problem()
        written = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        if not problem and any(written.get(key, value) != value for key, value in self._about.items()):
            problem = "it is another run's, or another study's"
        if not problem and known and not _agree(predicted, loss, chances, len(self._study.class_names)):
            problem = "the predicted class is not the most probable one, or a loss is no number"
        if problem:
            raise damaged(path, problem)
        return Predictions(rows, chances, predicted, loss)

    def _chances(self, table: pa.Table, rows: NDArray[np.int64]) -> Chances:
        count = len(self._study.class_names)
        if "confidence" in table.column_names:
            return Stated(table["predicted"].to_numpy(), table["confidence"].to_numpy(), count)
        if "probabilities" in table.column_names:
            return Dense(_matrix(table["probabilities"], count))
        classes, values = _matrix(table["classes"], KEPT), _matrix(table["largest"], KEPT)
        rest, of_label = table["rest"].to_numpy(), table["of_label"].to_numpy()
        return Largest(classes, values, rest, self._study.labels[rows], of_label, count)


def _lists(values: NDArray[Any]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _matrix(column: pa.ChunkedArray, width: int) -> NDArray[Any]:
    found: NDArray[Any] = column.combine_chunks().flatten().to_numpy()
    return found.reshape(-1, width)


def _agree(predicted: NDArray[np.int64], loss: Array, chances: Chances, classes: int) -> bool:
    """Whether each predicted class is the most probable one (or one of several), and each loss a number."""
    known = ((predicted >= 0) & (predicted < classes)).all()
    if not known or not np.isfinite(loss).all():
        return False
    everything = slice(None)
    return bool((chances.of(everything, predicted) == chances.two_largest(everything)[:, 0]).all())


def _joined(parts: list[Predictions], labels: NDArray[np.int64]) -> Predictions:
    """All in one, by ascending row; of two of one sample the first counts."""
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows, kind="stable")  # merges what is in order already, which np.unique sorts anew
    first = order[np.diff(rows[order], prepend=-1) > 0]
    return Predictions(
        rows[first],
        joined([part.chances for part in parts], [labels[part.rows] for part in parts]).taken(first),
        np.concatenate([part.predicted for part in parts])[first],
        np.concatenate([part.loss for part in parts])[first],
    )
