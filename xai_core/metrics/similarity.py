"""How alike two maps are. Maps of different shape are for the caller to resize first.

Each takes `(N, h, w)` twice and gives `(N,)` float32. A constant map has no order and no structure: its row is NaN,
never 0 or 1, and so is a row that is not finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xai_core.metrics.base import similarity
from xai_core.types import Array, Card

WINDOW = 7
"""Side of SSIM's window in map pixels, as in scikit-image; smaller on smaller maps."""

ADEBAYO = "Adebayo et al. 2018, Sanity Checks for Saliency Maps, section 3"


@similarity(
    Card(
        key="spearman",
        title="Spearman (signed)",
        summary="Rank correlation of pixels: do both maps order them alike, evidence for to evidence against?",
        blind_spot="Blind to how far apart values are; a map and its negative score -1 though they share all edges.",
        paper=ADEBAYO,
        signed=True,
        direction=1,
    )
)
def spearman(a: Array, b: Array) -> Array:
    """Pearson's correlation of ranks, ties averaged; −1…1."""
    return _correlation(*map(_ranks, _flat(a, b)))


@similarity(
    Card(
        key="spearman-absolute",
        title="Spearman (absolute)",
        summary="Rank correlation of absolute values: do both maps find the same pixels important?",
        blind_spot="High for any two maps that follow the picture's edges, whatever the model learned.",
        paper=ADEBAYO,
        direction=1,
    )
)
def spearman_absolute(a: Array, b: Array) -> Array:
    """The same of |a| and |b|; −1…1."""
    return spearman(np.abs(a), np.abs(b))


@similarity(
    Card(
        key="pearson",
        title="Pearson",
        summary="Linear correlation of pixels.",
        blind_spot="A few extreme pixels decide it.",
        signed=True,
        direction=1,
    )
)
def pearson(a: Array, b: Array) -> Array:
    """Cov(a, b) / (σ_a σ_b); −1…1."""
    return _correlation(*_flat(a, b))


@similarity(
    Card(
        key="ssim",
        title="SSIM",
        summary="Structural similarity of absolute values: do both maps look alike, window by window?",
        blind_spot="Smooth maps look alike; needs maps of at least 3 x 3.",
        paper="Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural Similarity; " + ADEBAYO,
        direction=1,
    )
)
def ssim(a: Array, b: Array) -> Array:
    """Mean SSIM of |a| and |b|, each scaled to 0…1, by scikit-image; −1…1. NaN below 3 × 3 pixels."""
    from skimage.metrics import structural_similarity

    first, second = (_unit(rows).reshape(a.shape) for rows in _flat(a, b))
    window = min(WINDOW, *a.shape[1:])
    window -= 1 - window % 2
    values = np.full(len(a), np.nan, np.float32)
    usable = np.isfinite(first).all((1, 2)) & np.isfinite(second).all((1, 2))
    for row in np.flatnonzero(usable) if window >= 3 else ():
        values[row] = structural_similarity(first[row], second[row], win_size=window, data_range=1.0)
    return values


def _flat(a: Array, b: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if a.shape != b.shape or a.ndim != 3:
        raise ValueError(f"maps of shapes {a.shape} and {b.shape}: resize them to one (N, h, w) first")
    return _rows(a), _rows(b)


def _rows(maps: Array) -> NDArray[np.float64]:
    """`(N, h·w)` float64; a row that is not finite becomes NaN throughout."""
    rows = maps.reshape(len(maps), maps.shape[1] * maps.shape[2]).astype(np.float64)
    return np.where(np.isfinite(rows).all(1, keepdims=True), rows, np.nan)


def _ranks(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    return rankdata(rows, axis=1)  # NaN throughout where a row holds one


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> Array:
    result = np.full(len(a), np.nan)
    # Decided on the values: the spread of equal numbers is not always exactly 0 in floating point.
    usable = (np.ptp(a, axis=1) > 0) & (np.ptp(b, axis=1) > 0)
    first, second = (rows[usable] - rows[usable].mean(1, keepdims=True) for rows in (a, b))
    first, second = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (first, second))
    result[usable] = (first * second).sum(1).clip(-1, 1)
    return result.astype(np.float32)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """|rows|, each scaled to 0…1; a constant row becomes NaN."""
    size = np.abs(rows)
    low, spread = size.min(1, keepdims=True), np.ptp(size, axis=1, keepdims=True)
    scaled = np.full(size.shape, np.nan)
    np.divide(size - low, spread, out=scaled, where=spread > 0)
    return scaled
