"""What metrics share: the evidence in a map, and maps on another grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.types import Array


def magnitude(maps: Array, *, signed: bool) -> Array:
    """`(N, h, w)` how much each place counts: its size where zero is meaningful, else its positive part.

    As maps are drawn: where zero separates nothing, what lies below it is no evidence.
    """
    return np.abs(maps) if signed else np.maximum(maps, 0)


def on_grid(maps: Array, size: tuple[int, int]) -> NDArray[np.float64]:
    """Maps `(N, h, w)` on another grid `(N, H, W)`, bilinear between the centres of places, as they are drawn.

    Beyond the outermost centres the outermost values go on.
    """
    down, across = (_bilinear(old, new) for old, new in zip(maps.shape[1:], size, strict=True))
    result: NDArray[np.float64] = down @ maps.astype(np.float64) @ across.T
    return result


def _bilinear(old: int, new: int) -> NDArray[np.float64]:
    """`(new, old)` what each old place counts in each new one."""
    where = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    below = np.floor(where).astype(np.int64).clip(0, max(old - 2, 0))
    weights = np.zeros((new, old))
    weights[np.arange(new), below] = 1 - (where - below)
    weights[np.arange(new), np.minimum(below + 1, old - 1)] += where - below
    return weights


def pooled(maps: Array, side: int) -> Array:
    """Maps `(N, h, w)` as `(N, side, side)`, each place the mean of the area it covers."""
    sized = [Image.fromarray(each).resize((side, side), Image.Resampling.BOX) for each in maps.astype(np.float32)]
    return np.stack([np.asarray(each, np.float32) for each in sized])
