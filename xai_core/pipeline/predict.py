"""Predictions of a run, resumable: rows that are already there are not asked again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from xai_core.models.classifier import Classifier
from xai_core.models.user_code import user_code
from xai_core.pipeline.load import inputs
from xai_core.store.run import Run
from xai_core.types import CancelToken, Progress, silent

MEND = "Mend the model's code, and import it again under another name."
SAVE_EVERY = 4096
"""Samples between two writes of the table: what a killed run loses at most."""


def predict(
    run: Run,
    classifier: Classifier,
    splits: Sequence[str],
    *,
    batch_size: int = 64,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> int:
    """Fill in the run's predictions for these splits and return how many were new.

    The table is written whole, at most SAVE_EVERY samples apart, and when cancelled.
    """
    token = cancel or CancelToken()
    wanted = np.concatenate([run.study.rows(split) for split in splits])
    have = run.predictions
    todo = np.setdiff1d(wanted, have.rows if have is not None else np.empty(0, np.int64))
    done = 0
    for chunk in _chunks(todo, SAVE_EVERY):
        probabilities: list[NDArray[np.float32]] = []
        try:
            for rows in _chunks(chunk, batch_size):
                token.check()
                probabilities.append(_probabilities(run, classifier, rows))
                done += len(rows)
                progress(done, len(todo), "samples")
        finally:
            _append(run, chunk, probabilities)
    return done


def _probabilities(run: Run, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    x = inputs(run.study, classifier, rows.tolist())
    with user_code(classifier.architecture, "fails", MEND), torch.inference_mode():
        logits = classifier.logits(x)
        return logits.float().softmax(1).cpu().numpy()


def _append(run: Run, rows: NDArray[np.int64], parts: list[NDArray[np.float32]]) -> None:
    if not parts:
        return
    probabilities = np.concatenate(parts)
    rows = rows[: len(probabilities)]
    have = run.predictions
    if have is not None:
        new = ~np.isin(rows, have.rows)  # another process may have been faster
        rows = np.concatenate([have.rows, rows[new]])
        probabilities = np.concatenate([have.probabilities, probabilities[new]])
    run.write_predictions(rows, probabilities)


def _chunks(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
