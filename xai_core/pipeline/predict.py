"""Predictions of a run, resumable: rows that are already there are not asked again.

A sample that cannot be predicted (its picture cannot be read, the model fails on it, or answers with something that is
no number) costs no other: it is left out, named with its reason, and asked again next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray

from xai_core.errors import BadInput, StorageFull, XaiError
from xai_core.models.classifier import Classifier
from xai_core.models.user_code import user_code
from xai_core.models.wrappers import full_precision
from xai_core.pipeline.load import as_input, note, read
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.task import Task
from xai_core.triage.ordering import drawn
from xai_core.types import CancelToken, Progress, silent

REPAIR = "Correct the model's code, and import it again under another name."
SAVE_EVERY, SAVE_SECONDS = 4096, 10.0
"""Samples and seconds between two writes: what a killed run loses at most."""


@dataclass(frozen=True)
class Predicted:
    """What came of it.

    Attributes:
        new: how many samples were predicted now.
        left_out: why a sample could not be, by its id.
    """

    new: int
    left_out: Mapping[str, str]


def predict(
    run: Run,
    classifier: Classifier,
    splits: Sequence[str],
    *,
    limit: int | None = None,
    batch_size: int = 64,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Predicted:
    """Fill in the run's predictions for these splits.

    With a `limit` only so many samples are asked, those of the first split first, drawn by the study's seed: the same
    ones every time, and among those of a larger limit. They are added at most SAVE_EVERY samples and SAVE_SECONDS
    apart, and when cancelled. Several processes may fill in one run: none loses what another has added.

    Raises:
        BadInput: no sample at all could be predicted; the first reason is given.
        StorageFull: no room; what was added is kept.
    """
    token = cancel or CancelToken()
    wanted = some_of(run.study, splits, limit)
    have = run.predictions
    todo = wanted if have is None else wanted[~np.isin(wanted, have.rows)]
    work, done = _Work(run, classifier, have is None), 0
    try:
        for rows in _chunks(todo, batch_size):
            token.check()
            work.ask(rows)
            done += len(rows)
            progress(done, len(todo), "samples")
            if len(work.rows) >= SAVE_EVERY or monotonic() - work.saved >= SAVE_SECONDS:
                work.save()
    finally:
        work.save()
    with suppress(StorageFull):  # it is all there; a later one brings it together
        run.settle_predictions()
    if work.fresh and work.left_out and not work.new:
        raise _nothing(work.left_out)
    return Predicted(work.new, work.left_out)


def some_of(study: Study, splits: Sequence[str], limit: int | None) -> NDArray[np.int64]:
    """Row numbers of these splits; with a limit so many of them, ascending within each split: see `predict`."""
    found, room = [], limit
    for split in dict.fromkeys(splits):
        rows = study.rows(split) if room is None else drawn(study.rows(split), room, study.info.seed)
        room = None if room is None else room - len(rows)
        found.append(rows)
    return np.concatenate(found)


@dataclass
class _Work:
    """What is asked and not yet stored; `fresh` where the run had no predictions before."""

    run: Run
    classifier: Classifier
    fresh: bool
    rows: list[int] = field(default_factory=list)
    probabilities: list[NDArray[np.float32]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    new: int = 0
    saved: float = field(default_factory=lambda: monotonic())

    def ask(self, rows: NDArray[np.int64]) -> None:
        """Predict a batch; where the model fails on it, each sample alone, to find the one that it fails on."""
        pictures = read(self.run.study, self.classifier.preprocess, rows.tolist(), self.left_out)
        if not pictures:
            return
        readable, pixels = list(pictures), list(pictures.values())
        try:
            self._take(readable, probabilities_of(self.run.study.task, self.classifier, pixels))
        except Exception as error:  # a module from anywhere raises anything
            if len(readable) > 1:
                self._ask_alone(readable, pixels, error)
            else:
                note(self.left_out, self.run.study, readable[0], error)

    def _ask_alone(self, rows: list[int], pixels: list[NDArray[np.uint8]], error: Exception) -> None:
        before = self.new
        for row, picture in zip(rows, pixels, strict=True):
            try:
                self._take([row], probabilities_of(self.run.study.task, self.classifier, [picture]))
            except Exception as alone:
                note(self.left_out, self.run.study, row, alone)
        if self.fresh and self.new == before == 0:  # not one of the first batch: it is the model, not a sample
            raise error if isinstance(error, XaiError) else _nothing(self.left_out) from error

    def _take(self, rows: list[int], probabilities: NDArray[np.float32]) -> None:
        fine = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
        for place in np.setdiff1d(np.arange(len(rows)), fine):
            note(self.left_out, self.run.study, rows[place], "the model's output is not a number")
        self.rows += [rows[place] for place in fine]
        self.probabilities.append(probabilities[fine])
        self.new += len(fine)

    def save(self) -> None:
        """Add what is waiting."""
        if self.rows:
            self.run.add_predictions(self.rows, np.concatenate(self.probabilities))
        self.rows, self.probabilities, self.saved = [], [], monotonic()


def probabilities_of(task: Task, classifier: Classifier, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """`(N, K)` of N pictures as the model sees them, `(H, W, C)`. Raises BadInput where the model's own code fails."""
    x = as_input(classifier, pixels)
    with user_code(classifier.architecture, "fails", REPAIR), full_precision(), torch.no_grad():
        return task.probabilities(classifier.logits(x)).cpu().numpy()


def _nothing(left_out: Mapping[str, str]) -> BadInput:
    first, reason = next(iter(left_out.items()))
    remedy = "The same holds for all that were asked; correct the model or the data and start again."
    return BadInput("no sample could be predicted", value=f"{first}: {reason}", remedy=remedy)


def _chunks(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
