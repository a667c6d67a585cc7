"""How far from what a map is about its evidence lies, on the grid of the model's input.

Distances are shares of the picture's shorter side, and not of the region's own size: a network sees as many pixels
around a wire as around a bag, and of a wire the size could be its width as well as its length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-9


def distances(there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """`(H, W)`: from each pixel to the nearest that is there, centre to centre, as a share of the shorter side.

    0 where it is there itself; infinite where none is.
    """
    from scipy.ndimage import distance_transform_edt

    if not there.any():
        return np.full(there.shape, np.inf)
    found: NDArray[np.float64] = distance_transform_edt(~there) / min(there.shape)
    return found


def beyond(
    amounts: NDArray[np.floating[Any]], distance: NDArray[np.float64], steps: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`(P,)`: which share of the amounts `(H, W)`, none below 0, lies farther than each of P rising distances.

    NaN where the amounts are 0 everywhere.
    """
    passed = np.searchsorted(steps + _ROUNDING, distance.ravel())
    at_each = np.bincount(passed, weights=amounts.ravel(), minlength=len(steps) + 1)
    total = at_each.sum()
    if not total > 0:
        return np.full(len(steps), np.nan)
    farther = at_each[::-1].cumsum()[::-1][1:]
    return np.clip(farther / total, 0, 1)
