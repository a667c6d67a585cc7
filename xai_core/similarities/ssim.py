"""Do two maps look alike, window by window?"""

from __future__ import annotations

import numpy as np

from xai_core.similarities.base import Described, description
from xai_core.similarities.rows import ADEBAYO, scaled
from xai_core.types import Array, Card

WINDOW, LEAST = 7, 3
"""Side of the window in map pixels, as in scikit-image; smaller on smaller maps, and none below the least."""
STEADY = 0.01**2, 0.03**2
"""What keeps the ratios of means and of variances finite, for values of 0…1 (K1 and K2 of the paper)."""


def _alike(a: Described, b: Described) -> Array:
    """Means over all windows, from `(N, 3, h, w)`: the scaled map, and of each window its mean and variance."""
    (first, mean_a, var_a), (second, mean_b, var_b) = a.swapaxes(0, 1), b.swapaxes(0, 1)
    window = _window(a.shape[2:])
    if not window:
        return np.full(len(a), np.nan, np.float32)
    both = _variance(first * second, mean_a * mean_b, window)
    mean, spread = STEADY
    values = (2 * mean_a * mean_b + mean) * (2 * both + spread)
    values /= (mean_a**2 + mean_b**2 + mean) * (var_a + var_b + spread)
    edge = window // 2
    return np.asarray(values[:, edge : -edge or None, edge : -edge or None].mean(axis=(1, 2)), np.float32)


@description(
    Card(
        key="ssim",
        title="SSIM",
        summary="Structural similarity of absolute values: do both maps look alike, window by window?",
        blind_spot="Smooth maps look alike; needs maps of at least 3 x 3.",
        paper="Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural Similarity; " + ADEBAYO,
        direction=1,
    ),
    alike=_alike,
)
def ssim(maps: Array) -> Described:
    """Mean SSIM of |a| and |b|, each scaled to 0…1, as scikit-image has it, for all maps at once; −1…1. NaN below
    3 × 3 pixels.
    """
    shares = scaled(maps)
    if not (window := _window(maps.shape[1:])):
        return np.full((len(maps), 3, *maps.shape[1:]), np.nan)
    means = _means(shares, window)
    return np.stack([shares, means, _variance(shares**2, means**2, window)], axis=1)


def _window(size: tuple[int, ...]) -> int:
    """The side of windows on maps of a size, which is odd; 0 where they are too small."""
    side = min(WINDOW, *size)
    return side - 1 + side % 2 if side >= LEAST else 0


def _means(values: Described, window: int) -> Described:
    from scipy.ndimage import uniform_filter

    found: Described = uniform_filter(values, size=(1, window, window))
    return found


def _variance(squares: Described, of_means: Described, window: int) -> Described:
    """Of windows, for a sample: from the means of squares (or products), minus the square (or product) of means."""
    count = window**2
    return (_means(squares, window) - of_means) * (count / (count - 1))
