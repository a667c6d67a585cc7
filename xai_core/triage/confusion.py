"""The confusion matrix: counts, rates, the samples of a cell, the largest confusions, and an order for the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core.triage.intervals import wilson

Per = Literal["count", "true", "predicted"]
Cell = tuple[int, int]
"""A cell of the matrix: true class, predicted class."""
_OPTIMAL_UP_TO = 300  # classes; optimal leaf ordering takes 2 s there and grows with the cube


def confusion_counts(labels: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """`(K, K)` counts: row = true class, column = predicted class."""
    labels, predicted = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    if labels.shape != predicted.shape:
        raise ValueError(f"{labels.shape} labels for {predicted.shape} predictions")
    if labels.size and (min(labels.min(), predicted.min()) < 0 or max(labels.max(), predicted.max()) >= classes):
        raise ValueError(f"a class index outside 0 … {classes - 1}")
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def rates(counts: NDArray[np.int64], per: Per) -> NDArray[np.float64]:
    """Counts as they are, as shares of each true class (rows sum to 1) or of each predicted class (columns do).

    NaN where the class has no samples: 0 % would be a claim about none.
    """
    if per == "count":
        return counts.astype(float)
    total = counts.sum(axis=1 if per == "true" else 0, keepdims=True).astype(float)
    return counts / np.where(total > 0, total, np.nan)


def cell_rows(
    rows: NDArray[np.int64], labels: NDArray[np.integer], predicted: NDArray[np.integer], cell: Cell
) -> NDArray[np.int64]:
    """The row numbers of the samples of class `cell[0]` taken for class `cell[1]`. All arrays are `(n,)`, aligned."""
    return np.asarray(rows)[(np.asarray(labels) == cell[0]) & (np.asarray(predicted) == cell[1])]


def worst_pairs(counts: NDArray[np.int64], class_names: Sequence[str], top: int | None = 10) -> pd.DataFrame:
    """The largest confusions, most samples first, then the larger share.

    Returns:
        Columns `true`, `predicted` (class indices), `true_name`, `predicted_name`, `count`, `n` (samples of the true
        class), `share` = count / n, `low`, `high` (95 %, Wilson). Pairs that never happen are left out.
    """
    off_diagonal = counts * ~np.eye(len(counts), dtype=bool)
    true, predicted = np.nonzero(off_diagonal)
    count, n = counts[true, predicted], counts.sum(axis=1)[true]
    low, high = wilson(count, n)
    names = np.asarray([*class_names, ""], dtype=object)
    table = pd.DataFrame(
        {"true": true, "predicted": predicted, "true_name": names[true], "predicted_name": names[predicted]}
        | {"count": count, "n": n, "share": count / n, "low": low, "high": high}
    )
    table = table.sort_values(["count", "share"], ascending=False, kind="stable", ignore_index=True)
    return table if top is None else table.head(top)


def similarity_order(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """A permutation of the classes that puts those often confused next to each other.

    Average-linkage clustering of the distance 1 − s/max s with s = (R + Rᵀ)/2, R the shares of each true class, then
    leaves in the optimal order of Bar-Joseph et al. (2001). Turned so that the lower of both ends comes first.
    """
    classes = len(counts)
    if classes < 3:
        return np.arange(classes)
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    shares = np.nan_to_num(rates(counts, "true"))
    similarity = (shares + shares.T) / 2
    np.fill_diagonal(similarity, 0)
    if not similarity.any():
        return np.arange(classes)
    distance = 1 - similarity / similarity.max()
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=classes <= _OPTIMAL_UP_TO)
    order = leaves_list(tree).astype(np.int64)
    return order if order[0] < order[-1] else order[::-1]
