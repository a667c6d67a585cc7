"""The three groups that a confusion is read by: both classes as recognised, and the one taken for the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from xai_core.triage.confusion import Cell, cell_rows
from xai_core.triage.ordering import drawn


def disjoint(
    members: Mapping[str, NDArray[np.int64]], *, limit: int, seed: int | np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Rows of groups that overlap, each in one group only, ascending, at most `limit` of each.

    In an order drawn by the seed each row goes to that of its groups that has fewest by then, of equals to the first:
    what is compared between groups is then of different pictures, as tests of two groups assume.
    """
    found: dict[str, list[int]] = {name: [] for name in members}
    every = np.unique(np.concatenate([*members.values(), np.empty(0, np.int64)])).astype(np.int64)
    sets = {name: set(rows.tolist()) for name, rows in members.items()}
    for row in np.random.default_rng(seed).permutation(every).tolist():
        fitting = [name for name in members if row in sets[name] and len(found[name]) < limit]
        if fitting:
            found[min(fitting, key=lambda name: len(found[name]))].append(row)
    return {name: np.array(sorted(rows), np.int64) for name, rows in found.items()}


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
