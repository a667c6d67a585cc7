"""Which samples to look at: a few drawn by a seed, or all in an order for a gallery."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SORTS = {"confidence": "confidence", "margin": "margin to the second class", "loss": "loss"}
"""What `sort_scores` knows, with the words for people."""


def sort_scores(by: str, probabilities: NDArray, losses: NDArray) -> NDArray[np.float64]:
    """`(n,)` scores of samples with `(n, K)` probabilities and `(n,)` losses.

    `confidence`: the largest probability. `margin`: the largest minus the second largest, small where the model
    wavered. `loss`: as given, large where the model was sure of a wrong class.
    """
    if by == "loss":
        return np.asarray(losses, float)
    if by not in SORTS:
        raise ValueError(f"cannot sort by {by!r}")
    top = np.sort(np.asarray(probabilities, float), axis=1)[:, ::-1]
    return top[:, 0] if by == "confidence" or top.shape[1] < 2 else top[:, 0] - top[:, 1]


def order_by(scores: NDArray, *, descending: bool) -> NDArray[np.int64]:
    """Positions of the samples in order; ties stay as they are, and samples without a score (NaN) come last."""
    scores = np.asarray(scores, float)
    keys = np.where(np.isnan(scores), np.inf, -scores if descending else scores)
    return np.argsort(keys, kind="stable")


def drawn(rows: NDArray[np.int64], count: int, seed: int | np.random.Generator) -> NDArray[np.int64]:
    """At most `count` of the rows, drawn by the seed (or by what it has become), ascending."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])
