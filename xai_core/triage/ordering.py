"""Which samples to look at: a few drawn by a seed, or all in an order for a gallery."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SORTS = {"confidence": "confidence", "margin": "margin to the second class", "loss": "loss"}
"""What `sort_scores` knows, as `Said` calls it, with the words for people."""


class Said(Protocol):
    """What a model said of n samples: probabilities in [0, 1], and the loss against the label."""

    @property
    def confidence(self) -> NDArray:
        """`(n,)` the largest probability."""

    @property
    def margin(self) -> NDArray:
        """`(n,)` the largest minus the second largest."""

    @property
    def loss(self) -> NDArray:
        """`(n,)`, in nats."""


def sort_scores(by: str, said: Said) -> NDArray[np.float64]:
    """`(n,)` scores of samples.

    `confidence`: the largest probability. `margin`: small where the model wavered. `loss`: large where the model was
    sure of a wrong class.
    """
    if by not in SORTS:
        raise ValueError(f"cannot sort by {by!r}")
    return np.asarray(getattr(said, by), float)


def order_by(scores: NDArray, *, descending: bool) -> NDArray[np.int64]:
    """Positions of the samples in order; ties stay as they are, and samples without a score (NaN) come last."""
    scores = np.asarray(scores, float)
    keys = np.where(np.isnan(scores), np.inf, -scores if descending else scores)
    return np.argsort(keys, kind="stable")


def at_most(rows: NDArray[np.int64], limit: int | None, seed: int) -> NDArray[np.int64]:
    """All rows, or where there is a limit so many of them, drawn by the seed: the same every time, and among those of
    a larger limit."""
    return rows if limit is None else drawn(rows, limit, seed)


def drawn(rows: NDArray[np.int64], count: int, seed: int | np.random.Generator) -> NDArray[np.int64]:
    """At most `count` of the rows, drawn by the seed (or by what it has become), ascending."""
    return np.sort(np.random.default_rng(seed).permutation(np.array(rows))[:count])  # numpy copies no empty array
