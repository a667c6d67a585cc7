"""Do a method's maps depend on what the model learned? Its maps from the trained and a randomised model, compared.

Torch-free: it reads maps and gives numbers. The null is what chance gives: how alike the trained model's maps of
*different* pictures are. A method that passes has maps that change with the weights at least as much as that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.similarities import SIMILARITIES
from xai_core.types import Array

LEAST = 2
"""Samples below which there is no null: it needs another picture."""


@dataclass(frozen=True)
class Check:
    """One similarity of N samples.

    Attributes:
        similarity: key of the similarity.
        values: `(N,)` trained against randomised model, the same picture; NaN where a map is constant or missing.
        null: `(N,)` the trained model's map of this picture against its map of the next one.
    """

    similarity: str
    values: Array
    null: Array

    @property
    def n(self) -> int:
        """How many samples have a value."""
        return int(np.isfinite(self.values).sum())

    @property
    def median(self) -> float:
        """Of the values; NaN where there is none."""
        return _median(self.values)

    @property
    def null_median(self) -> float:
        """Of the null; NaN where there is none."""
        return _median(self.null)


def check(trained: Array, randomised: Array) -> list[Check]:
    """Every similarity of two stacks of maps `(N, h, w)` of the same N samples; missing maps are NaN."""
    if not len(trained):
        nothing = np.empty(0, np.float32)
        return [Check(s.card.key, nothing, nothing) for s in SIMILARITIES]
    shifted = np.roll(trained, 1, axis=0) if len(trained) >= LEAST else np.full_like(trained, np.nan)
    return [Check(s.card.key, s.compare(trained, randomised), s.compare(trained, shifted)) for s in SIMILARITIES]


def _median(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else float("nan")
