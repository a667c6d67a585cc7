"""Fills in a run's features, what its last layer gets of each sample; what is stored is not computed again."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import LeftOut
from xai_core.pipeline.load import as_input, read
from xai_core.store.features import FeatureFiles, Features
from xai_core.store.run import Run
from xai_core.types import Array, CancelToken, Progress, silent

if TYPE_CHECKING:
    from xai_core.models.head import Head

SAVE_EVERY, SAVE_SECONDS = 8192, 10.0
"""Samples and seconds between two writes: what a killed run loses at most."""


def features_of(
    run: Run,
    head: Head,
    rows: NDArray[np.int64],
    *,
    batch_size: int = 64,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Features:
    """The run's features, at least of these rows, but for those whose pictures cannot be read.

    They are stored at most SAVE_EVERY samples and SAVE_SECONDS apart, and when cancelled.

    Raises:
        LeftOut: no picture of these can be read.
        StorageFull: no room; what was stored is kept.
        Cancelled: asked to stop.
    """
    files, token = FeatureFiles(run, head.name), cancel or CancelToken()
    known = files.read()
    todo = rows if known is None else rows[~np.isin(rows, known.rows)]
    left_out: dict[str, str] = {}
    work = _Work(files)
    try:
        for start in range(0, len(todo), batch_size):
            token.check()
            some = read(run.study, head.classifier.preprocess, todo[start : start + batch_size].tolist(), left_out)
            if some:
                work.take(list(some), head.features(as_input(head.classifier, list(some.values()))))
            progress(min(start + batch_size, len(todo)), len(todo), "samples")
    finally:
        work.save()
    found = files.read()
    if found is None or not np.isin(rows, found.rows).any():
        raise LeftOut(left_out, "read")
    return found


class _Work:
    """What is computed and not yet stored."""

    def __init__(self, files: FeatureFiles) -> None:
        self._files, self._saved = files, monotonic()
        self._rows: list[int] = []
        self._values: list[Array] = []

    def take(self, rows: list[int], values: Array) -> None:
        """Features of these rows; written once there are many, or it is long ago. What is no number is left out."""
        fine = np.isfinite(values).all(axis=1)
        self._rows += np.array(rows)[fine].tolist()
        self._values.append(values[fine])
        if len(self._rows) >= SAVE_EVERY or monotonic() - self._saved >= SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Write what is waiting."""
        if self._rows:
            self._files.add(np.array(self._rows, np.int64), np.concatenate(self._values))
        self._rows, self._values, self._saved = [], [], monotonic()
