"""Scaling of maps for display only. What is stored and scored stays raw; every page names the scaling it used."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.types import Array

Scaling = Literal["per image", "shared"]

COARSE = 20
"""Maps of at most this many values a side come from a layer: full colour is their maximum, not a percentile."""

PERCENTILE = 99.0
"""Of |map|, for maps with a value per pixel: their few strongest pixels would leave all others pale."""


def evidence(maps: NDArray, *, signed: bool) -> Array:
    """What a map shows: itself where its zero separates for from against, else its positive part (rectified)."""
    values = np.asarray(maps, np.float32)
    return values if signed else np.maximum(values, 0)


def is_fine(maps: NDArray) -> bool:
    """Whether maps `(N, h, w)` have a value per pixel, rather than one for each place of a layer."""
    return bool(np.size(maps)) and max(np.shape(maps)[1:]) > COARSE


def percentile_of(maps: NDArray) -> float:
    """The percentile of |map| that becomes full colour: PERCENTILE for fine maps, the maximum (100) for coarse ones."""
    return PERCENTILE if is_fine(maps) else 100.0


def scale_in_words(scaling: Scaling, *, fine: bool, coarse: bool) -> str:
    """What full colour means, in a sentence; "" where there are neither fine nor coarse maps."""
    shared = scaling == "shared"
    maximum = "the largest maximum of a method's maps here" if shared else "each map's maximum"
    cut = f"{PERCENTILE:g}th percentile of |value|"
    cut = f"the largest {cut} of a method's maps here" if shared else f"each map's {cut}"
    beyond = f"stronger ones, at most {100 - PERCENTILE:g} % of a map's pixels, are clipped to it"
    if fine and coarse:
        return f"Full colour: {maximum}; where there is a value per pixel, {cut} ({beyond})."
    if fine:
        return f"Full colour: {cut} ({beyond})."
    return f"Full colour: {maximum}." if coarse else ""


def limits(maps: NDArray, *, scaling: Scaling, percentile: float = 100.0) -> Array:
    """`(N,)` the magnitude that becomes 1: a percentile of |map|, per image or the largest of them for all.

    `percentile=100` is the maximum, for the few pixels of a CAM; PERCENTILE suits maps at input resolution, in which a
    single bright pixel would darken the rest. 0 for maps without evidence, NaN for missing maps.
    """
    values = np.abs(np.asarray(maps, np.float32)).reshape(len(maps), int(np.prod(np.shape(maps)[1:])))
    each = np.full(len(values), np.nan, np.float32)
    known = np.isfinite(values).all(axis=1) & (values.shape[1] > 0)  # a store may hold no map yet
    if known.any():
        each[known] = np.percentile(values[known], percentile, axis=1)
        # A map with fewer of its pixels lit than the percentile leaves out would have the limit 0 and show nothing.
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
