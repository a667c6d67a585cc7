"""Do two maps have their edges in the same places, along the same directions?"""

from __future__ import annotations

import math

import numpy as np

from xai_core.similarities.base import Described, description
from xai_core.similarities.rows import ADEBAYO, deviations, scaled
from xai_core.types import Array, Card

ORIENTATIONS = 9
LEAST, CELLS = 4, 8
"""Sides below which a map has no cells to speak of; about so many cells along the shorter side."""
SMALLEST, LARGEST = 2, 16
"""Pixels of a cell's side; the largest is Adebayo et al.'s, for maps of 224 pixels."""
BLOCK = 3
"""Cells of a block's side, whose histograms are normalised together."""
MOST, TINY = 0.2, 1e-5
"""Of a normalised block's numbers before it is normalised again, and what keeps empty blocks at 0."""


@description(
    Card(
        key="hog",
        title="HOG",
        summary="Correlation of histograms of oriented gradients: do both maps have the same edges?",
        blind_spot="Blind to how much evidence lies where, beyond its edges; needs maps of at least 4 x 4.",
        paper="Dalal and Triggs 2005, Histograms of Oriented Gradients for Human Detection; " + ADEBAYO,
        direction=1,
    )
)
def hog(maps: Array) -> Described:
    """Pearson's correlation of descriptors of |a| and |b|, each scaled to 0…1; −1…1. They are scikit-image's, for all
    maps at once.

    Nine directions without sign; cells of an eighth of the shorter side, 2 to 16 pixels; blocks of 3 × 3 cells (fewer
    on smaller maps), L2-Hys. NaN below 4 × 4 pixels.
    """
    if min(maps.shape[1:]) < LEAST:
        return np.full((len(maps), 1), np.nan)
    shares = scaled(maps)
    broken = np.asarray(np.isnan(shares).any(axis=(1, 2)))
    found = _blocks(_cells(np.where(broken[:, None, None], 0.0, shares)))
    found[broken] = np.nan
    return deviations(found)


def _cells(maps: Described) -> Described:
    """`(N, rows, columns, ORIENTATIONS)`: of each cell the mean gradient along each direction."""
    side = min(LARGEST, max(SMALLEST, min(maps.shape[1:]) // CELLS))
    down, across = np.zeros_like(maps), np.zeros_like(maps)  # 0 at the border, as scikit-image has it
    down[:, 1:-1] = maps[:, 2:] - maps[:, :-2]
    across[:, :, 1:-1] = maps[:, :, 2:] - maps[:, :, :-2]
    high, wide = (length // side for length in maps.shape[1:])
    down, across = (each[:, : high * side, : wide * side] for each in (down, across))
    angles = np.rad2deg(np.arctan2(down, across)) % 180
    bins = (angles * (ORIENTATIONS / 180)).astype(np.int64) % ORIENTATIONS
    rows, columns = np.arange(high * side)[:, None] // side, np.arange(wide * side) // side
    places = (np.arange(len(maps))[:, None, None] * high + rows) * wide + columns
    sums = np.bincount(
        (places * ORIENTATIONS + bins).ravel(),
        np.hypot(down, across).ravel(),
        minlength=len(maps) * high * wide * ORIENTATIONS,
    )
    return sums.reshape(len(maps), high, wide, ORIENTATIONS) / side**2


def _blocks(cells: Described) -> Described:
    """`(N, D)` the histograms of all blocks, each normalised by L2-Hys."""
    shape = tuple(min(BLOCK, length) for length in cells.shape[1:3])
    blocks = np.lib.stride_tricks.sliding_window_view(cells, shape, axis=(1, 2))
    found = blocks.reshape(*blocks.shape[:3], math.prod(blocks.shape[3:]))
    clipped = np.minimum(_normalised(found), MOST)
    return np.asarray(_normalised(clipped).reshape(len(cells), math.prod(found.shape[1:])))


def _normalised(blocks: Described) -> Described:
    return blocks / np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + TINY**2)
