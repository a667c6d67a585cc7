"""A run: a model with its predictions, or predictions alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotApplicable
from xai_core.explainers.base import EXPLAINERS
from xai_core.files import damaged
from xai_core.params import digest
from xai_core.store import files
from xai_core.store.identity import identity
from xai_core.store.maps import MapStore
from xai_core.types import Array

if TYPE_CHECKING:
    from xai_core.store.study import Study

INFO_FILE = "run.json"
HISTORY_COLUMNS = ("epoch", "split", "loss", "accuracy", "seconds", "learning_rate")
_HISTORY_TYPES = (pa.int64(), pa.string(), pa.float64(), pa.float64(), pa.float64(), pa.float64())
_HISTORY_SCHEMA = pa.schema(list(zip(HISTORY_COLUMNS, _HISTORY_TYPES, strict=True)))
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class RunInfo:
    """What `run.json` holds. The defaults describe predictions without a model.

    Attributes:
        architecture: key, or `package.module:function`; "" for predictions alone.
        preprocess: the JSON form of a Preprocess.
        cam_layer: dotted name of the layer for class activation maps; "" where none is known.
        fingerprint: sha256 of weights + architecture + preprocessing; "" for predictions alone.
        code: sha256 of each file of the user's own code that the model needs, by name of the module.
        probe: what a model built by own code answered to a few fixed pictures when it was imported.
        parent: the run this one started from, or that it is compared with.
        training: the training configuration as JSON.
        provenance: where weights or predictions came from, as JSON.
        created: ISO time, UTC; filled in by `Study.add_run`.
        seconds: how long training took.
    """

    architecture: str = ""
    preprocess: dict[str, Any] | None = None
    cam_layer: str = ""
    fingerprint: str = ""
    code: dict[str, str] = field(default_factory=dict)
    probe: list[list[float]] = field(default_factory=list)
    parent: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    seconds: float | None = None


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


class Run:
    """One run of a study. Safe to share between threads; files replaced by another process are seen.

    Attributes:
        study: the study it belongs to.
        name: its name; `path` is its folder.
    """

    def __init__(self, study: Study, name: str, path: Path | None = None) -> None:
        self.study, self.name = study, name
        self.path = path or study.path / "runs" / name
        self._info = files.Cached(self.path / INFO_FILE, _read_info)
        self._history = files.Cached(self.path / "history.parquet", _read_history)
        self._predictions = files.Cached(self.path / "predictions.parquet", self._read_predictions)

    @property
    def info(self) -> RunInfo:
        """What `run.json` holds. Raises BadInput when it is damaged or gone."""
        info = self._info.get()
        if info is None:
            raise damaged(self.path / INFO_FILE, "the file is missing")
        return info

    def set_info(self, **changes: Any) -> None:
        """Rewrite `run.json` with some fields changed."""
        files.write_json(self.path / INFO_FILE, asdict(replace(self.info, **changes)))

    @property
    def weights(self) -> Path:
        """Where the weights are, or will be."""
        return self.path / "weights.safetensors"

    @property
    def has_model(self) -> bool:
        """Whether there is a model to ask, rather than predictions alone."""
        return bool(self.info.architecture) and self.weights.is_file()

    @property
    def history(self) -> pd.DataFrame | None:
        """HISTORY_COLUMNS, one line per epoch and split, or None."""
        history = self._history.get()
        return None if history is None else history.copy(deep=False)

    def write_history(self, history: pd.DataFrame) -> None:
        """Replace the history. Raises StorageFull, and BadInput where a column is missing."""
        files.write_table(self.path / "history.parquet", files.to_table(history, _HISTORY_SCHEMA, "the history"))

    @property
    def predictions(self) -> Predictions | None:
        """The stored predictions, or None. Raises BadInput when they are damaged or of other samples."""
        return self._predictions.get()

    def write_predictions(
        self, rows: Sequence[int] | NDArray[np.int64], probabilities: Array, losses: Array | None = None
    ) -> None:
        """Replace the predictions as a whole.

        Args:
            rows: `(n,)` row numbers, each once, in any order.
            probabilities: `(n, K)`, 0 … 1.
            losses: `(n,)` cross-entropy in nats; None computes it from the probabilities.

        Raises:
            BadInput: shapes, rows or values that cannot be right.
            StorageFull: no room; the old predictions are kept.
        """
        row_numbers = np.asarray(rows, np.int64)
        chances = np.asarray(probabilities, np.float32)
        self._check_predictions(row_numbers, chances)
        if losses is None:
            chosen = chances[np.arange(len(chances)), self.study.labels[row_numbers]]
            losses = -np.log(np.maximum(chosen, _TINY))
        order = np.argsort(row_numbers, kind="stable")
        row_numbers, chances = row_numbers[order], chances[order]
        columns = [
            pa.array(self.study.samples["id"].take(row_numbers), pa.string()),
            pa.array(row_numbers),
            pa.array(chances.argmax(axis=1).astype(np.int64)),
            pa.array(np.asarray(losses, np.float32)[order]),
            pa.FixedSizeListArray.from_arrays(chances.ravel(), chances.shape[1]),
        ]
        files.write_table(self.path / "predictions.parquet", pa.table(columns, schema=self._prediction_schema))

    @property
    def _prediction_schema(self) -> pa.Schema:
        types = {"id": pa.string(), "row": pa.int64(), "predicted": pa.int64(), "loss": pa.float32()}
        types["probabilities"] = pa.list_(pa.float32(), len(self.study.class_names))
        return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])

    def maps(
        self,
        method_key: str,
        params: Any,
        *,
        weights: str = "trained",
        create: bool = False,
        made_with: Mapping[str, Any] | None = None,
    ) -> MapStore | None:
        """The stored maps of one method with these parameters.

        Args:
            method_key: key of an explainer.
            params: an instance of its params type.
            weights: `trained`, or `randomised:SEED` for the sanity check.
            create: make the store where there is none; otherwise None is returned.
            made_with: facts for a new store's manifest (device, batch size).

        Raises:
            NotFound: no such method.
            NotApplicable: the run has no model.
            BadParameter: `weights` is neither form.
        """
        if not self.info.fingerprint:
            if create:
                raise NotApplicable("a run without a model", value=self.name, remedy="Choose a run that has a model.")
            return None
        about = identity(self, EXPLAINERS[method_key], params, weights=weights)
        part = "explanations" if weights == "trained" else f"sanity/{weights.replace(':', '-')}"
        folder = self.path / part / f"{method_key}-{digest(about)[:8]}"
        return MapStore.at(folder, about, create=create, made_with=made_with)

    def _check_predictions(self, rows: NDArray[np.int64], probabilities: Array) -> None:
        classes, samples = len(self.study.class_names), len(self.study.labels)
        problem = ""
        if rows.ndim != 1 or probabilities.shape != (len(rows), classes):
            problem = f"probabilities of shape {probabilities.shape} for {len(rows)} rows and {classes} classes"
        elif len(rows) and (rows.min() < 0 or rows.max() >= samples or len(np.unique(rows)) != len(rows)):
            problem = "a row that does not exist, or twice"
        elif not ((probabilities >= 0) & (probabilities <= 1.001)).all():  # NaN compares false
            problem = "a probability outside 0 … 1"
        if problem:
            raise BadInput("predictions that cannot be right", value=problem, remedy="Mend them and write again.")

    def _read_predictions(self, path: Path) -> Predictions:
        table = files.read_table(path, self._prediction_schema)
        rows, predicted, loss = (table[name].to_numpy() for name in ("row", "predicted", "loss"))
        chances = table["probabilities"].combine_chunks().flatten().to_numpy()
        chances = chances.reshape(len(rows), len(self.study.class_names))
        try:
            self._check_predictions(rows, chances)
        except BadInput as error:
            raise damaged(path, error.value) from None
        ids = pa.array(self.study.samples["id"].take(rows), pa.string())
        if not ids.equals(table["id"].combine_chunks()):
            raise damaged(path, "it is about other samples")
        return Predictions(rows, chances, predicted, loss)


def _read_info(path: Path) -> RunInfo:
    values = files.read_json(path)
    known = {f.name: values[f.name] for f in fields(RunInfo) if f.name in values}
    info = RunInfo(**known)
    wrong = [name for name, kinds in _INFO_TYPES.items() if not isinstance(getattr(info, name), kinds)]
    if wrong:
        raise damaged(path, f"{wrong[0]} is of the wrong type")
    return info


def _read_history(path: Path) -> pd.DataFrame:
    frame: pd.DataFrame = files.read_table(path, _HISTORY_SCHEMA).to_pandas(use_threads=False)
    return frame


_INFO_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("architecture", "cam_layer", "fingerprint", "created"), (str,)),
    **dict.fromkeys(("training", "provenance", "code"), (dict,)),
    "probe": (list,),
    "preprocess": (dict, type(None)),
    "parent": (str, type(None)),
    "seconds": (float, int, type(None)),
}
