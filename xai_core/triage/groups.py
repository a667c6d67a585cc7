"""The three groups that a confusion is read by: both classes as recognised, and the one taken for the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xai_core.triage.confusion import Cell, cell_rows
from xai_core.triage.ordering import drawn


def confusion_groups(
    rows: NDArray[np.int64],
    labels: NDArray[np.integer],
    predicted: NDArray[np.integer],
    cell: Cell,
    *,
    limit: int,
    seed: int,
) -> dict[str, NDArray[np.int64]]:
    """Rows of `correct_true`, `correct_predicted` and `confused`, ascending, at most `limit` of each drawn by the seed.

    All arrays are `(n,)`, aligned; `cell` is (true class, predicted class).
    """
    true, taken_for = cell
    cells = {"correct_true": (true, true), "correct_predicted": (taken_for, taken_for), "confused": cell}
    rng = np.random.default_rng(seed)
    found = {name: cell_rows(rows, labels, predicted, one) for name, one in cells.items()}
    return {name: drawn(some, limit, rng) for name, some in found.items()}
