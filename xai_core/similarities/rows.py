"""What similarities share: maps as rows of numbers, their ranks, and rows of norm 1.

A constant map has no order and no structure: its row is NaN, never 0 or 1, and so is a row that is not finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xai_core.types import Array

ADEBAYO = "Adebayo et al. 2018, Sanity Checks for Saliency Maps, section 3"

Rows = NDArray[np.float64]


def flat(a: Array, b: Array) -> tuple[Rows, Rows]:
    """Two stacks of maps `(N, h, w)` as `rows_of` them.

    Raises:
        ValueError: their shapes differ: they are for the caller to resize first.
    """
    if a.shape != b.shape or a.ndim != 3:
        raise ValueError(f"maps of shapes {a.shape} and {b.shape}: resize them to one (N, h, w) first")
    return rows_of(a), rows_of(b)


def rows_of(maps: Array) -> Rows:
    """Maps `(N, h, w)` as `(N, h·w)` float64; a row that is not finite becomes NaN throughout."""
    rows = maps.reshape(len(maps), maps.shape[1] * maps.shape[2]).astype(np.float64)
    rows[~np.isfinite(rows).all(axis=1)] = np.nan
    return rows


def ranks(rows: Rows) -> Rows:
    """Of the values of each row, ties averaged; NaN throughout where a row holds one."""
    from scipy.stats import rankdata

    result: Rows = rankdata(rows, axis=1)
    return result


def directions(rows: Rows) -> Rows:
    """`(N, D)` each row divided by its norm; a constant row becomes NaN."""
    return _over_norm(rows, _varies(rows))


def deviations(rows: Rows) -> Rows:
    """`(N, D)` the same of each row minus its mean: the product of two such rows is their correlation."""
    return _over_norm(rows - rows.mean(axis=1, keepdims=True), _varies(rows))


def scaled(maps: Array) -> Rows:
    """`(N, h, w)` |maps|, each scaled to 0…1; a map that is constant or not finite becomes NaN."""
    size = np.abs(rows_of(maps))
    low, spread = size.min(1, keepdims=True), np.ptp(size, axis=1, keepdims=True)
    shares = np.full(size.shape, np.nan)
    np.divide(size - low, spread, out=shares, where=spread > 0)
    return shares.reshape(maps.shape)


def _varies(rows: Rows) -> NDArray[np.bool_]:
    # Decided on the values: the spread of equal numbers is not always exactly 0 in floating point.
    return np.asarray(np.ptp(rows, axis=1) > 0)


def _over_norm(rows: Rows, usable: NDArray[np.bool_]) -> Rows:
    found = np.full(rows.shape, np.nan)
    np.divide(rows, np.linalg.norm(rows, axis=1, keepdims=True), out=found, where=usable[:, None])
    return found
