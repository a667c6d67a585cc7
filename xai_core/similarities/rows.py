"""What similarities share: maps as rows of numbers, their ranks and their correlation.

A constant map has no order and no structure: its row is NaN, never 0 or 1, and so is a row that is not finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xai_core.types import Array

ADEBAYO = "Adebayo et al. 2018, Sanity Checks for Saliency Maps, section 3"


def flat(a: Array, b: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two stacks of maps `(N, h, w)` as `(N, h·w)` float64; a row that is not finite becomes NaN throughout.

    Raises:
        ValueError: their shapes differ: they are for the caller to resize first.
    """
    if a.shape != b.shape or a.ndim != 3:
        raise ValueError(f"maps of shapes {a.shape} and {b.shape}: resize them to one (N, h, w) first")
    return _rows(a), _rows(b)


def _rows(maps: Array) -> NDArray[np.float64]:
    rows = maps.reshape(len(maps), maps.shape[1] * maps.shape[2]).astype(np.float64)
    return np.where(np.isfinite(rows).all(1, keepdims=True), rows, np.nan)


def ranks(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the values of each row, ties averaged; NaN throughout where a row holds one."""
    from scipy.stats import rankdata

    result: NDArray[np.float64] = rankdata(rows, axis=1)
    return result


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> Array:
    """Cov(a, b) / (σ_a σ_b) of each pair of rows, `(N,)`; NaN where one of them is constant or not finite."""
    result = np.full(len(a), np.nan)
    # Decided on the values: the spread of equal numbers is not always exactly 0 in floating point.
    usable = (np.ptp(a, axis=1) > 0) & (np.ptp(b, axis=1) > 0)
    first, second = (rows[usable] - rows[usable].mean(1, keepdims=True) for rows in (a, b))
    first, second = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (first, second))
    result[usable] = (first * second).sum(1).clip(-1, 1)
    return result.astype(np.float32)


def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """|rows|, each scaled to 0…1; a constant row becomes NaN."""
    size = np.abs(rows)
    low, spread = size.min(1, keepdims=True), np.ptp(size, axis=1, keepdims=True)
    scaled = np.full(size.shape, np.nan)
    np.divide(size - low, spread, out=scaled, where=spread > 0)
    return scaled
