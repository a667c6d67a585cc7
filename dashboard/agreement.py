"""How far methods disagree about a sample: a reason to look at it first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dashboard.context import Context
from dashboard.evidence import target_keys
from xai_core.answers.maps import Column
from xai_core.similarities.spearman import spearman
from xai_core.store.maps import STORED
from xai_core.types import Array

SIDE = 14
"""Maps are compared at this many pixels a side: what a layer of a usual network resolves."""


def disagreement(context: Context, columns: Sequence[Column], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """`(n,)`: 1 − the mean rank correlation of the evidence for the target, over all pairs of methods.

    0 where all methods order the places of the picture alike; NaN where fewer than two of the maps are stored.
    """
    maps = [places(context, column, rows) for column in columns]
    pairs = [spearman(first, second) for first, second in combinations(maps, 2)]
    if not pairs:
        return np.full(len(rows), np.nan)
    together = np.stack(pairs).astype(float)
    known = np.isfinite(together)
    count = known.sum(axis=0)
    mean = np.where(known, together, 0).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 0, 1 - mean, np.nan)


def places(context: Context, column: Column, rows: NDArray[np.int64], spec: str | None = None) -> Array:
    """Evidence for the target at one size, `(n, SIDE, SIDE)`; NaN where it is not stored."""
    found = np.full((len(rows), SIDE, SIDE), np.nan, np.float32)
    if column.maps is None:
        return found
    stored = column.maps.get(rows, target_keys(context, rows, spec))
    for i in np.flatnonzero(stored.state == STORED):
        heat = Image.fromarray(np.maximum(stored.maps[i], 0).astype(np.float32), mode="F")
        found[i] = np.asarray(heat.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return found
