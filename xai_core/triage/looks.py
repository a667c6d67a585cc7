"""Ways of drawing one map so that it can be read at the size of a thumbnail. Pure; what is stored stays raw."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xai_core.types import Array
from xai_core.words import percent

Look = Literal["heat", "cells", "outline", "alone"]

CELLS = 8
"""Blocks along a side."""

OUTLINED = 0.5
"""Share of the evidence for the target that lies within the outline."""

SMOOTHED = 0.03
"""Width (standard deviation) of the window that makes one region of a pixel map's dots, as a share of its side."""

LOOKS: Mapping[Look, str] = MappingProxyType(
    {
        "heat": "Heat",
        "cells": "Cells",
        "outline": "Outline",
        "alone": "Alone",
    }
)

MEANING: Mapping[Look, str] = MappingProxyType(
    {
        "heat": "Over the picture; maps with a value per pixel over a faded grey one.",
        "cells": f"Each block is the map's sum over one of {CELLS} by {CELLS} cells; together they are the map's sum.",
        "outline": f"The line holds {percent(OUTLINED, 0)} of the evidence for the target, where it is densest.",
        "alone": "The heat without the picture.",
    }
)


def cell_sums(maps: NDArray, cells: int = CELLS) -> Array:
    """Sums of maps over a grid of cells, `(N, min(h, cells), min(w, cells))` of `(N, h, w)`.

    A pixel that a border of cells runs through counts for both by its area, so the cells of a map add up to it.
    Maps with a NaN are NaN.
    """
    values = np.asarray(maps, np.float64)
    for axis in (1, 2):
        values = _summed(values, min(cells, values.shape[axis]), axis)
    return values.astype(np.float32)


def _summed(values: NDArray[np.float64], parts: int, axis: int) -> NDArray[np.float64]:
    """Sums over `parts` equal stretches of an axis: each is so much of every pixel as it covers."""
    size = values.shape[axis]
    if not size or parts == size:
        return values
    borders = np.linspace(0, size, parts + 1)
    at = np.arange(size)
    covers = np.minimum(borders[1:, None], at + 1) - np.maximum(borders[:-1, None], at)
    return np.moveaxis(np.tensordot(values, np.clip(covers, 0, 1), axes=(axis, 1)), -1, axis)


def strongest_region(heat: NDArray, share: float = OUTLINED, *, smoothed: float = 0.0) -> NDArray[np.bool_]:
    """`(h, w)` where the densest part lies that holds at least `share` of a map's positive values.

    Without smoothing it is the smallest such region. A pixel map's would be dust: with it, pixels are taken in the
    order of the map after a Gaussian window, until the map itself holds the share.

    Args:
        heat: `(h, w)`; NaN counts as nothing.
        share: in [0, 1].
        smoothed: standard deviation of the window, in pixels.

    Returns:
        Nowhere True where a map has no positive value.
    """
    mass = np.maximum(np.nan_to_num(np.asarray(heat, np.float64), posinf=0, neginf=0), 0)
    total = mass.sum()
    if not total > 0:
        return np.zeros(mass.shape, bool)
    density = gaussian_filter(mass, smoothed, mode="constant") if smoothed else mass
    order = np.argsort(-density, axis=None, kind="stable")
    held = np.cumsum(mass.ravel()[order])
    last = order[min(int(np.searchsorted(held, share * held[-1])), held.size - 1)]
    return (density >= density.ravel()[last]) & (density > 0)
