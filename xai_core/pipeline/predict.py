"""Predictions of a run, resumable: rows that are already there are not asked again.

A sample that cannot be predicted (its picture cannot be read, the model fails on it, or answers with something that is
no number) costs no other: it is left out, named with its reason, and asked again next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from xai_core.models.classifier import Classifier
from xai_core.pipeline.predict_work import PixelWork, SampleWork, Work, nothing
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.task import SEGMENTATION
from xai_core.triage.ordering import drawn
from xai_core.types import CancelToken, Progress, silent

SAVE_EVERY, SAVE_SECONDS = 4096, 10.0
"""Samples and seconds between two writes: what a killed run loses at most."""

AT_ONCE = 8
"""Pictures that a segmenter is asked together, at most."""


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
    """Fill in the run's predictions for these splits; of segmentation a label map of each sample.

    With a `limit` only so many samples are asked, those of the first split first, drawn by the study's seed: the same
    ones every time, and among those of a larger limit. They are added at most SAVE_EVERY samples and SAVE_SECONDS
    apart, and when cancelled. Several processes may fill in one run: none loses what another has added.

    Raises:
        BadInput: no sample at all could be predicted; the first reason is given.
        StorageFull: no room; what was added is kept.
    """
    token = cancel or CancelToken()
    wanted = some_of(run.study, splits, limit)
    of_pixels = run.study.task.key == SEGMENTATION
    work: Work = PixelWork(run, classifier) if of_pixels else SampleWork(run, classifier)
    todo, done, saved = wanted[~work.have(wanted)], 0, monotonic()
    batch_size = min(batch_size, AT_ONCE) if of_pixels else batch_size
    try:
        for rows in _chunks(todo, batch_size):
            token.check()
            work.ask(rows)
            done += len(rows)
            progress(done, len(todo), "samples")
            if len(work.rows) >= SAVE_EVERY or monotonic() - saved >= SAVE_SECONDS:
                work.save()
                saved = monotonic()
    finally:
        work.save()
    work.settle()
    if work.fresh and work.left_out and not work.new:
        raise nothing(work.left_out)
    return Predicted(work.new, work.left_out)


def some_of(study: Study, splits: Sequence[str], limit: int | None) -> NDArray[np.int64]:
    """Row numbers of these splits; with a limit so many of them, ascending within each split: see `predict`."""
    found, room = [], limit
    for split in dict.fromkeys(splits):
        rows = study.rows(split) if room is None else drawn(study.rows(split), room, study.info.seed)
        room = None if room is None else room - len(rows)
        found.append(rows)
    return np.concatenate(found)


def _chunks(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
