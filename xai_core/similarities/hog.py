"""Do two maps have their edges in the same places, along the same directions?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xai_core.similarities.base import similarity
from xai_core.similarities.rows import ADEBAYO, correlation, flat, unit
from xai_core.types import Array, Card

ORIENTATIONS = 9
LEAST, CELLS = 4, 8
"""Sides below which a map has no cells to speak of; about so many cells along the shorter side."""
SMALLEST, LARGEST = 2, 16
"""Pixels of a cell's side; the largest is Adebayo et al.'s, for maps of 224 pixels."""
BLOCK = 3
"""Cells of a block's side, whose histograms are normalised together."""


@similarity(
    Card(
        key="hog",
        title="HOG",
        summary="Correlation of histograms of oriented gradients: do both maps have the same edges?",
        blind_spot="Blind to how much evidence lies where, beyond its edges; needs maps of at least 4 x 4.",
        paper="Dalal and Triggs 2005, Histograms of Oriented Gradients for Human Detection; " + ADEBAYO,
        direction=1,
    )
)
def hog(a: Array, b: Array) -> Array:
    """Pearson's correlation of scikit-image's descriptors of |a| and |b|, each scaled to 0…1; −1…1.

    Nine directions without sign; cells of an eighth of the shorter side, 2 to 16 pixels; blocks of 3 × 3 cells (fewer
    on smaller maps), L2-Hys. NaN below 4 × 4 pixels.
    """
    first, second = (unit(rows).reshape(a.shape) for rows in flat(a, b))
    if min(a.shape[1:]) < LEAST or not len(a):
        return np.full(len(a), np.nan, np.float32)
    return correlation(_described(first), _described(second))


def _described(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(N, D)`; NaN throughout where a map is."""
    from skimage.feature import hog as descriptor

    side = min(LARGEST, max(SMALLEST, min(maps.shape[1:]) // CELLS))
    block = tuple(min(BLOCK, length // side) for length in maps.shape[1:])
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(maps).all((1, 2)))
    made = [
        descriptor(np.where(fine, one, 0.0), ORIENTATIONS, (side, side), block)
        for one, fine in zip(maps, whole, strict=True)
    ]
    found = np.array(made, dtype=np.float64).reshape(len(maps), -1)
    found[~whole] = np.nan
    return found
