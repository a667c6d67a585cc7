"""What predicting has asked and not yet stored: probabilities of samples, or label maps of a segmenter.

A sample that the model fails on costs no other: it is asked alone, and noted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xai_core.boundaries import boundary_counts
from xai_core.errors import BadInput, StorageFull, XaiError
from xai_core.label_maps import IGNORE, LabelMap, sparse_confusion
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.models.tiles import in_tiles
from xai_core.models.user_code import user_code
from xai_core.models.wrappers import full_precision
from xai_core.pipeline.load import as_input, note, read
from xai_core.store.label_maps import WHOLE
from xai_core.store.maps import MISSING
from xai_core.store.run import Run
from xai_core.task import Task

REPAIR = "Correct the model's code, and import it again under another name."
NO_NUMBER = "the model's output is not a number"


class Work(ABC):
    """Asks a model and keeps what it said until it is saved.

    Attributes:
        fresh: whether the run had no predictions before.
        left_out: why a sample could not be predicted, by its id.
        new: how many samples were predicted.
    """

    fresh: bool

    def __init__(self, run: Run, classifier: Classifier) -> None:
        self.run, self.classifier = run, classifier
        self.rows: list[int] = []
        self.said: list[Any] = []
        self.left_out: dict[str, str] = {}
        self.new = 0

    @abstractmethod
    def have(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`(n,)` which of these rows are predicted already."""

    @abstractmethod
    def answers(self, rows: Sequence[int], pixels: Sequence[NDArray[np.uint8]]) -> Sequence[Any]:
        """What the model says of each picture, `(H, W, C)` as it sees it; None of one whose output is no number."""

    @abstractmethod
    def store(self, rows: Sequence[int], said: Sequence[Any]) -> None:
        """Add what was said of these rows to the run."""

    @abstractmethod
    def settle(self) -> None:
        """Once all is saved, make it ready to be read."""

    def ask(self, rows: NDArray[np.int64]) -> None:
        """Predict a batch; where the model fails on it, each sample alone, to find the one that it fails on."""
        pictures = read(self.run.study, self.classifier.preprocess, rows.tolist(), self.left_out)
        if not pictures:
            return
        readable, pixels = list(pictures), list(pictures.values())
        try:
            self._take(readable, self.answers(readable, pixels))
        except Exception as error:  # a module from anywhere raises anything
            if len(readable) > 1:
                self._ask_alone(readable, pixels, error)
            else:
                note(self.left_out, self.run.study, readable[0], error)

    def _ask_alone(self, rows: list[int], pixels: list[NDArray[np.uint8]], error: Exception) -> None:
        before = self.new
        for row, picture in zip(rows, pixels, strict=True):
            try:
                self._take([row], self.answers([row], [picture]))
            except Exception as alone:
                note(self.left_out, self.run.study, row, alone)
        if self.fresh and self.new == before == 0:  # not one of the first batch: it is the model, not a sample
            raise error if isinstance(error, XaiError) else nothing(self.left_out) from error

    def _take(self, rows: list[int], answers: Sequence[Any]) -> None:
        for row, answer in zip(rows, answers, strict=True):
            if answer is None:
                note(self.left_out, self.run.study, row, NO_NUMBER)
            else:
                self.rows.append(row)
                self.said.append(answer)
                self.new += 1

    def save(self) -> None:
        """Add what is waiting."""
        if self.rows:
            self.store(self.rows, self.said)
        self.rows, self.said = [], []


class SampleWork(Work):
    """Probabilities of the classes of each sample."""

    def __init__(self, run: Run, classifier: Classifier) -> None:
        super().__init__(run, classifier)
        self._known = run.predictions
        self.fresh = self._known is None

    def have(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`(n,)` which of these rows are predicted already."""
        return np.zeros(len(rows), bool) if self._known is None else self._known.have(rows)

    def answers(self, _: Sequence[int], pixels: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32] | None]:
        """`(K,)` of each picture."""
        found = probabilities_of(self.run.study.task, self.classifier, pixels)
        return [each if np.isfinite(each).all() else None for each in found]

    def store(self, rows: Sequence[int], said: Sequence[NDArray[np.float32]]) -> None:
        """Add them to the run's predictions."""
        self.run.add_predictions(rows, np.stack(said))

    def settle(self) -> None:
        """Bring what was added into one file."""
        with suppress(StorageFull):  # it is all there; a later one brings it together
            self.run.settle_predictions()


class Labelled(NamedTuple):
    """What was said of each pixel of a picture, with its `sparse_confusion` and its `boundary_counts`."""

    label_map: LabelMap
    counts: NDArray[np.int64]
    boundaries: NDArray[np.int64]


class PixelWork(Work):
    """A label map of each picture, at its own size."""

    def __init__(self, run: Run, classifier: Classifier) -> None:
        super().__init__(run, classifier)
        store = run.label_maps(create=True)
        assert store is not None
        self._store = store
        self.fresh = store.count() == 0

    def have(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`(n,)` which of these rows are predicted already."""
        found: NDArray[np.bool_] = self._store.state(rows, [WHOLE] * len(rows)) != MISSING
        return found

    def answers(self, rows: Sequence[int], pixels: Sequence[NDArray[np.uint8]]) -> Sequence[Labelled | None]:
        """The most probable class of each pixel, and how that compares with the annotation."""
        study = self.run.study
        outputs = segmented(study.task, self.classifier, pixels, len(study.class_names))
        found: list[Labelled | None] = []
        for row, output in zip(rows, outputs, strict=True):
            truth = study.label_map(row)
            if bool(torch.isfinite(output).all()):
                said = label_map_of(output, self.classifier.preprocess, *truth.shape)
                counts = sparse_confusion(truth, said, len(study.class_names))
                found.append(Labelled(said, counts, boundary_counts(truth, said)))
            else:
                found.append(None)
        return found

    def store(self, rows: Sequence[int], said: Sequence[Labelled]) -> None:
        """Add them to the run's label maps."""
        label_maps, counts, boundaries = zip(*said, strict=True)
        self._store.put(rows, label_maps, counts, boundaries)

    def settle(self) -> None:
        """It is ready as it was stored."""


def outputs_of(
    classifier: Classifier, pixels: Sequence[NDArray[np.uint8]], ask: Callable[[Tensor], Tensor]
) -> list[Tensor]:
    """Of each picture `(K, h, w)` what a segmenter says: logits, or of tiles probabilities.

    Args:
        pixels: pictures `(H, W, C)` as the model sees them, of tiles whole ones.
        ask: `(N, C, H, W)` → logits `(N, K, H, W)`.
    """
    preprocess = classifier.preprocess
    if not preprocess.tiled:
        return list(ask(as_input(classifier, pixels)))
    (outside,) = as_input(classifier, [np.zeros((1, 1, preprocess.channels), np.uint8)])
    inputs = (as_input(classifier, [each])[0] for each in pixels)
    return [in_tiles(ask, x, preprocess.height, preprocess.width, outside=outside) for x in inputs]


def segmented(task: Task, classifier: Classifier, pixels: Sequence[NDArray[np.uint8]], classes: int) -> list[Tensor]:
    """As `outputs_of`, of a segmenter of so many classes. Raises BadInput where the model's own code fails, or answers
    in another shape."""

    def ask(x: Tensor) -> Tensor:
        outputs = classifier.logits(x).float()
        task.check_output(tuple(outputs.shape), len(x), classes)
        return outputs

    with user_code(classifier.architecture, "fails", REPAIR), full_precision(), torch.no_grad():
        return outputs_of(classifier, pixels, ask)


def probabilities_of(task: Task, classifier: Classifier, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """`(N, K)` of N pictures as the model sees them, `(H, W, C)`. Raises BadInput where the model's own code fails."""
    x = as_input(classifier, pixels)
    with user_code(classifier.architecture, "fails", REPAIR), full_precision(), torch.no_grad():
        return task.probabilities(classifier.logits(x)).cpu().numpy()


def label_map_of(logits: Tensor, preprocess: Preprocess, height: int, width: int) -> LabelMap:
    """The most probable class of each pixel of a `height × width` picture, uint8.

    Logits are brought back to the picture's own size, bilinearly, before the largest is taken: so that the model is
    judged on the annotation as it is, not as it was made smaller. What the model was not shown (a cut border) is 255.

    Args:
        logits: `(K, h, w)` over what the model saw of the picture; or probabilities.
    """
    values, top, left = on_picture(logits, preprocess, height, width)
    part = values.argmax(0).to(torch.uint8).cpu().numpy()
    found = np.full((height, width), IGNORE, np.uint8)
    found[top : top + part.shape[0], left : left + part.shape[1]] = part
    return found


def on_picture(values: Tensor, preprocess: Preprocess, height: int, width: int) -> tuple[Tensor, int, int]:
    """`(K, h, w)` on the pixels of the part of a `height × width` picture that the model saw, and its top and left."""
    left, top, right, bottom = (round(side) for side in preprocess.box(width, height))
    size = (max(1, bottom - top), max(1, right - left))
    whole = torch.nn.functional.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]
    y, x = max(0, top), max(0, left)
    return whole[:, y - top : height - top, x - left : width - left], y, x


def nothing(left_out: Mapping[str, str]) -> BadInput:
    """The error where no sample at all could be predicted."""
    first, reason = next(iter(left_out.items()))
    remedy = "The same holds for all that were asked; correct the model or the data and start again."
    return BadInput("no sample could be predicted", value=f"{first}: {reason}", remedy=remedy)
