"""Scaling of maps for display only. What is stored and scored stays raw; every page names the scaling it used."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.types import Array

Scaling = Literal["per image", "shared"]
PERCENTILE = 99.5


def evidence(maps: NDArray, *, signed: bool) -> Array:
    """What a map shows: itself where its zero separates for from against, else its positive part (rectified)."""
    values = np.asarray(maps, np.float32)
    return values if signed else np.maximum(values, 0)


def limits(maps: NDArray, *, scaling: Scaling, percentile: float = 100.0) -> Array:
    """`(N,)` the magnitude that becomes 1: a percentile of |map|, per image or the largest of them for all.

    `percentile=100` is the maximum, for the few pixels of a CAM; PERCENTILE (99.5) suits maps at input resolution, in
    which a single bright pixel would darken the rest. 0 for maps without evidence, NaN for missing maps.
    """
    values = np.abs(np.asarray(maps, np.float32)).reshape(len(maps), int(np.prod(np.shape(maps)[1:])))
    each = np.full(len(values), np.nan, np.float32)
    known = np.isfinite(values).all(axis=1) & (values.shape[1] > 0)  # a store may hold no map yet
    if known.any():
        each[known] = np.percentile(values[known], percentile, axis=1)
        # A map with less than 0.5 % of its pixels lit would have the limit 0 and show nothing.
        each[known] = np.where(each[known] > 0, each[known], values[known].max(axis=1))
    if scaling == "shared" and known.any():
        each[known] = each[known].max()
    return each


def display(maps: NDArray, *, signed: bool, scaling: Scaling = "per image", percentile: float = 100.0) -> Array:
    """`(N, h, w)` for a colour scale: [0, 1] for unsigned maps, [−1, 1] with 0 in the middle for signed ones.

    Values are divided by `limits` and clipped. Missing maps stay NaN, maps without evidence are 0.
    """
    values = evidence(maps, signed=signed)
    scale = limits(values, scaling=scaling, percentile=percentile)
    divisor = np.where(scale > 0, scale, np.where(np.isnan(scale), np.nan, 1))[:, None, None]
    return np.clip(values / divisor, -1, 1)
