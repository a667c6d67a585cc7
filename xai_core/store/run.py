"""A run: a model with its predictions, or predictions alone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotApplicable
from xai_core.explainers.base import EXPLAINERS
from xai_core.files import damaged
from xai_core.metrics.base import METRICS, OF_PLACES
from xai_core.models.preprocess import Preprocess
from xai_core.params import digest
from xai_core.store import files, targets
from xai_core.store.history import HISTORY_FILE, read_history, write_history
from xai_core.store.identity import Origin, identity, metric_identity
from xai_core.store.label_maps import LabelMapStore
from xai_core.store.maps import MapStore
from xai_core.store.predictions import PredictionFiles, Predictions
from xai_core.store.scores import ScorePlace, ScoreStore
from xai_core.task import SEGMENTATION
from xai_core.types import Array, Target

if TYPE_CHECKING:
    from xai_core.store.study import Study

INFO_FILE = "run.json"
BASELINE = "baseline"
"""Where the provenance of a classical baseline keeps what it was made by, and how long that took."""
LARGEST_INPUT = 16_384
"""Pixels of a side beyond which nothing could be computed: such a number is damage."""


@dataclass(frozen=True)
class RunInfo:
    """What `run.json` holds. The defaults describe predictions without a model.

    Attributes:
        architecture: key, or `package.module:function`; `sklearn:KEY` for the predictions of a classical baseline, ""
            for others alone.
        preprocess: the JSON form of a Preprocess.
        cam_layer: dotted name of the layer for class activation maps; "" where none is known.
        fingerprint: sha256 of weights + architecture + preprocessing; "" for predictions alone.
        code: sha256 of each file of the user's own code that the model needs, by name of the module.
        probe: what a model built by own code answered to a few fixed pictures when it was imported.
        answer: which of the model's outputs are the study's classes, the JSON form of an Answer.
        config: what transformers builds the network from, of a model of its; without names of classes.
        parent: the run this one started from, or that it is compared with.
        arm: what several runs that differ in their seed alone have in common; "" for one by itself.
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
    answer: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    parent: str | None = None
    arm: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    seconds: float | None = None


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
        self._history = files.Cached(self.path / HISTORY_FILE, read_history)
        self._predictions = PredictionFiles(study, self.path, lambda: self.info.fingerprint)

    @property
    def info(self) -> RunInfo:
        """What `run.json` holds. Raises BadInput when it is damaged or gone."""
        info = self._info.get()
        if info is None:
            raise damaged(self.path / INFO_FILE, "the file is missing")
        return info

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
        """What training measured, a line for each epoch, split and measure (`training.history`), or None."""
        history = self._history.get()
        return None if history is None else history.copy(deep=False)

    def write_history(self, history: pd.DataFrame) -> None:
        """Replace the history. Raises StorageFull, and BadInput where a column is missing."""
        write_history(self.path / HISTORY_FILE, history)

    @property
    def predictions(self) -> Predictions | None:
        """The stored predictions, or None. Raises BadInput when they are damaged or of other samples."""
        try:
            return self._predictions.get()
        except BadInput as error:
            again = f"delete it and run: {self._line('predict')}" if self.has_model else "make this run again"
            remedy = f"Restore the file from a copy, or {again}."
            raise BadInput(f"the predictions of {self.name} are damaged", value=error.value, remedy=remedy) from None

    def write_predictions(
        self, rows: Sequence[int] | NDArray[np.int64], probabilities: Array, losses: Array | None = None
    ) -> None:
        """Replace the predictions as a whole; arguments and errors as `add_predictions`."""
        self._predictions.replace(np.asarray(rows, np.int64), np.asarray(probabilities, np.float32), losses)

    def write_labels(
        self, rows: Sequence[int] | NDArray[np.int64], predicted: NDArray[np.int64], confidence: Array | None = None
    ) -> None:
        """Replace the predictions by classes without probabilities, as they come from elsewhere.

        Args:
            rows: `(n,)` row numbers, each once, in any order.
            predicted: `(n,)` class indices.
            confidence: `(n,)` 0 … 1, the probability of the predicted class; None where it is not known either.

        Raises:
            BadInput: rows or values that cannot be right.
            StorageFull: no room; what was stored is kept.
        """
        known = None if confidence is None else np.asarray(confidence, np.float32)
        self._predictions.replace_labels(np.asarray(rows, np.int64), np.asarray(predicted, np.int64), known)

    def add_predictions(
        self, rows: Sequence[int] | NDArray[np.int64], probabilities: Array, losses: Array | None = None
    ) -> None:
        """Add predictions of more samples. Several processes may; of two of one sample the first counts.

        Args:
            rows: `(n,)` row numbers, each once, in any order.
            probabilities: `(n, K)`, 0 … 1, which add up to 1.
            losses: `(n,)` cross-entropy in nats; None computes it from the probabilities.

        Raises:
            BadInput: shapes, rows or values that cannot be right.
            StorageFull: no room; what was stored is kept.
        """
        self._predictions.add(np.asarray(rows, np.int64), np.asarray(probabilities, np.float32), losses)

    def label_maps(self, *, create: bool = False) -> LabelMapStore | None:
        """Of segmentation, what the model said of each pixel, with how that compares; None where there is nothing.

        Raises BadInput where they are damaged or another model's, StorageFull where one is made and there is no room.
        """
        about = {"fingerprint": self.info.fingerprint, "annotation": self.study.masks_digest}
        return LabelMapStore.at(self.path / "label_maps", about, create=create)

    @property
    def has_predictions(self) -> bool:
        """Whether anything was said of any sample. Raises BadInput where that is damaged."""
        said = self.label_maps() if self.study.info.task == SEGMENTATION else self.predictions
        return said is not None

    def settle_predictions(self) -> None:
        """Bring what was added into one file, which is read faster. Raises as `add_predictions`; nothing is lost."""
        self._predictions.settle()

    def targets(self, rows: Sequence[int] | NDArray[np.int64], spec: str) -> list[Target]:
        """What `spec` means for each of these rows, by the run's own predictions.

        Args:
            rows: `(n,)` row numbers.
            spec: one of TARGET_SPECS or a class index as text; of a segmenter also the key of a target with a region.
                Its `predicted` is the object with most predicted pixels, where it is predicted; `true` the one with
                most annotated ones; `difference` the mistake with most pixels, where it is made.

        Raises:
            BadInput: the run has no predictions for all of these samples, or that is no region.
            NotFound: `spec` is neither.
        """
        return targets.targets(self, np.asarray(rows, np.int64), spec)

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
        if self._without_a_model(create):
            return None
        about = self.maps_identity(method_key, params, weights)
        part = "explanations" if weights == "trained" else f"sanity/{weights.replace(':', '-')}"
        folder = self.path / part / f"{method_key}-{digest(about)[:8]}"
        return MapStore.at(folder, about, create=create, made_with=made_with)

    def scores(
        self,
        metric: tuple[str, Any],
        method: tuple[str, Any],
        *,
        weights: str = "trained",
        create: bool = False,
        made_with: Mapping[str, Any] | None = None,
    ) -> ScoreStore | None:
        """The stored scores that one metric gives the maps of one method.

        Args:
            metric: key of a metric, and an instance of its params type.
            method: key of an explainer, and an instance of its params type.
            weights, create, made_with: as of `maps`.

        Raises:
            NotFound: no such metric or method.
            NotApplicable: the run has no model.
            BadParameter: `weights` is neither form.
        """
        if self._without_a_model(create):
            return None
        return self.score_place(metric, method, weights=weights, made_with=made_with)(create=create)

    def score_place(
        self,
        metric: tuple[str, Any],
        method: tuple[str, Any],
        *,
        weights: str = "trained",
        made_with: Mapping[str, Any] | None = None,
    ) -> ScorePlace:
        """Where these scores go, by the masks as they are now: who scores for long must not mix two states of them.

        Arguments and errors as of `scores`; the run has a model.
        """
        maps, member = self.maps_identity(*method, weights), METRICS[metric[0]]
        masks = self.study.masks_digest if member.card.needs & OF_PLACES else None
        about = metric_identity(masks, member, metric[1])
        folder = self.path / "scores" / f"{metric[0]}-{digest(about)[:8]}" / f"{method[0]}-{digest(maps)[:8]}"
        return partial(ScoreStore.at, folder, {**about, "maps": maps}, made_with=made_with)

    def maps_identity(self, method_key: str, params: Any, weights: str = "trained") -> dict[str, Any]:
        """What maps are known by; raises as `maps`."""
        study, method = self.study, EXPLAINERS[method_key]
        count = method.background_count(params)
        origin = Origin(
            self.info.fingerprint,
            study.info.samples_digest,
            study.info.seed,
            weights,
            study.background_digest(count) if count else None,
            study.masks_digest if "mask" in method.card_for(params).needs else None,
        )
        return identity(origin, method, params)

    def _line(self, command: str) -> str:
        return shlex.join(["xai", command, str(self.study.path), "--run", self.name])

    def _without_a_model(self, wanted: bool) -> bool:
        """Whether there is none. Raises NotApplicable where something of it is wanted all the same."""
        if not self.info.fingerprint and wanted:
            raise NotApplicable("a run without a model", value=self.name, remedy="Choose a run that has a model.")
        return not self.info.fingerprint


def _read_info(path: Path) -> RunInfo:
    values = files.read_json(path)
    info = RunInfo(**{f.name: values[f.name] for f in fields(RunInfo) if f.name in values})
    wrong = [name for name, kinds in _INFO_TYPES.items() if not isinstance(getattr(info, name), kinds)]
    if wrong:
        raise damaged(path, f"{wrong[0]} is of the wrong type")
    problem = _broken_training(info.training) or _broken(info)
    if problem:
        raise damaged(path, problem)
    return info


def _broken_training(values: Mapping[str, Any]) -> str:
    tables = [values.get("loss_params", {}), values.get("augmentations", {})]
    tables += tables[1].values() if isinstance(tables[1], dict) else ()
    right = isinstance(values.get("architecture", ""), str) and all(isinstance(table, dict) for table in tables)
    return "" if right else "training is not a training configuration"


def _broken(info: RunInfo) -> str:
    """What pages and models could not work with, or ""."""
    if info.seconds is not None and info.seconds < 0:
        return "seconds is no duration"
    try:
        if info.created:
            datetime.fromisoformat(info.created).astimezone(UTC)
    except (ValueError, OverflowError):
        return "created is no time"
    try:
        preprocess = Preprocess.from_dict(info.preprocess) if info.preprocess is not None else None
    except BadInput as error:
        return f"preprocess is {error.problem}: {error.value}"
    sides = (preprocess.height, preprocess.width) if preprocess else ()
    return "" if all(type(side) is int and side <= LARGEST_INPUT for side in sides) else "an input of no real size"


_INFO_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("architecture", "cam_layer", "fingerprint", "created", "arm"), (str,)),
    **dict.fromkeys(("training", "provenance", "code", "answer", "config"), (dict,)),
    "probe": (list,),
    "preprocess": (dict, type(None)),
    "parent": (str, type(None)),
    "seconds": (float, int, type(None)),
}
