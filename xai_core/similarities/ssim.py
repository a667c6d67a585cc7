"""Do two maps look alike, window by window?"""

from __future__ import annotations

import numpy as np

from xai_core.similarities.base import similarity
from xai_core.similarities.rows import ADEBAYO, flat, unit
from xai_core.types import Array, Card

WINDOW = 7
"""Side of the window in map pixels, as in scikit-image; smaller on smaller maps."""


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

    first, second = (unit(rows).reshape(a.shape) for rows in flat(a, b))
    window = min(WINDOW, *a.shape[1:])
    window -= 1 - window % 2
    values = np.full(len(a), np.nan, np.float32)
    usable = np.isfinite(first).all((1, 2)) & np.isfinite(second).all((1, 2))
    for row in np.flatnonzero(usable) if window >= 3 else ():
        values[row] = structural_similarity(first[row], second[row], win_size=window, data_range=1.0)
    return values
