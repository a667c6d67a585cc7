"""What maps have in common: their mean, where the evidence sits from top to bottom, and how two groups differ.

Maps are `(N, h, w)`; those with NaN (missing or refused) are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.triage.intervals import LEVEL, Estimate, bootstrap_mean
from xai_core.triage.normalise import display, evidence
from xai_core.types import Array

Normalise = Literal["per image", "none"]
Mass = Literal["positive", "absolute"]
LARGEST_SIDE = 28
_CHUNK = 4096  # pixels permuted at once


@dataclass(frozen=True)
class MeanMap:
    """`values (h, w)` float64, NaN where n is 0; the mean of `n` maps, after `left_out` without a map."""

    values: NDArray[np.float64]
    n: int
    left_out: int


@dataclass(frozen=True)
class MeanDifference:
    """How the mean of one group differs from another's.

    Attributes:
        values: `(h, w)` mean of the first − mean of the second.
        significant: `(h, w)` bool, where the difference is not due to chance (see `mean_difference`).
        p: `(h, w)` p-values adjusted for looking at all pixels at once; NaN where a group has fewer than two maps.
        n: how many maps each group had.
    """

    values: NDArray[np.float64]
    significant: NDArray[np.bool_]
    p: NDArray[np.float64]
    n: tuple[int, int]


def pooled(maps: NDArray, *, largest: int = LARGEST_SIDE) -> Array:
    """Maps of more than `largest` pixels a side, averaged over equal areas to at most that; smaller ones as they are.

    Single pixels of gradients are noise: the mean of a few dozen maps shows where evidence lies only at a coarser
    grid, and a test of each pixel finds nothing. NaN maps stay NaN. Averaging `(N, h, w)` keeps the mean of each map.
    """
    values = np.asarray(maps, np.float32)
    n, height, width = values.shape
    if max(height, width) <= largest:
        return values
    size = _pooled_side(width, largest), _pooled_side(height, largest)
    small = [np.asarray(Image.fromarray(one, mode="F").resize(size, Image.Resampling.BOX)) for one in values]
    return np.stack(small) if n else np.empty((0, size[1], size[0]), np.float32)


def _pooled_side(side: int, largest: int) -> int:
    """The largest divisor of `side` up to `largest`: cells of whole pixels, or methods with a stride give stripes."""
    divisors = [size for size in range(largest // 2, largest + 1) if side % size == 0]
    return min(side, max(divisors, default=largest))


def comparable(maps: NDArray, *, signed: bool, normalise: Normalise) -> NDArray[np.float64]:
    """The maps that aggregates are made of, `(n ≤ N, h, w)`: those present, rectified unless signed.

    With "per image" each is divided by its largest magnitude, so that every sample counts alike whatever its
    gradient; with "none" samples with strong evidence count for more.
    """
    values = np.asarray(maps)
    values = values[np.isfinite(values).all(axis=(1, 2)) & (values[:1].size > 0)]  # a store may hold no map yet
    if normalise == "per image":
        return display(values, signed=signed).astype(float)
    return evidence(values, signed=signed).astype(float)


def mean_map(maps: NDArray, *, signed: bool, normalise: Normalise = "per image") -> MeanMap:
    """The mean of `comparable` maps."""
    values = comparable(maps, signed=signed, normalise=normalise)
    mean = values.mean(axis=0) if len(values) else np.full(np.shape(maps)[1:], np.nan)
    return MeanMap(mean, len(values), len(maps) - len(values))


def vertical_profile(values: NDArray, *, seed: int) -> Estimate:
    """Where the evidence is from top to bottom: `(h,)` mean over columns, then over samples, with its interval.

    Args:
        values: `(n, h, w)` from `comparable`.
        seed: of the bootstrap over samples. The interval holds for each row by itself.
    """
    return bootstrap_mean(np.asarray(values).mean(axis=2), seed=seed)


def centres_of_mass(values: NDArray, *, mass: Mass = "positive") -> NDArray[np.float64]:
    """`(n, 2)` (down, right) in [0, 1] of each map, 0 = top or left edge: Σ m·x / Σ m over pixel centres.

    The mass m is the positive part of the map or its magnitude. NaN for maps without mass.
    """
    values = np.asarray(values, float)
    m = np.abs(values) if mass == "absolute" else np.maximum(values, 0)
    total = m.sum(axis=(1, 2))
    total = np.where(total > 0, total, np.nan)
    down, right = ((np.arange(size) + 0.5) / size for size in values.shape[1:])
    return np.stack([m.sum(axis=2) @ down / total, m.sum(axis=1) @ right / total], axis=1)


def centre_of_mass(values: NDArray, *, seed: int, mass: Mass = "positive") -> Estimate:
    """`(2,)` mean (down, right) of `centres_of_mass` over the samples that have mass, with its interval."""
    centres = centres_of_mass(values, mass=mass)
    return bootstrap_mean(centres[np.isfinite(centres).all(axis=1)], seed=seed)


def mean_difference(first: NDArray, second: NDArray, *, seed: int, permutations: int = 999) -> MeanDifference:
    """First mean − second mean of maps from `comparable`, `(n, h, w)` each, and where it is more than chance.

    A pixel is significant where its Welch |t| exceeds what the largest |t| of a whole map reaches in 95 % of random
    splits of the same maps (max-T permutation: Westfall & Young 1993; Nichols & Holmes 2002). So a map on which
    nothing differs shows a significant pixel in 5 % of cases, whatever its resolution. A bootstrap mask in its place
    did so in 84, 36 and 12 % of cases with 5, 10 and 20 maps against 40 (7×7, simulated).
    """
    n, m = len(first), len(second)
    shape = np.shape(first)[1:]
    values = np.mean(first, axis=0) - np.mean(second, axis=0) if n and m else np.full(shape, np.nan)
    if min(n, m) < 2:
        return MeanDifference(values, np.zeros(shape, bool), np.full(shape, np.nan), (n, m))
    both = np.concatenate([first, second]).reshape(n + m, -1).astype(float)
    observed, largest = _t_values(both, _splits(n, n + m, permutations, seed))
    # A hair of tolerance: a permutation that repeats the observed split must count as equal.
    reached = (largest[:, None] >= observed * (1 - 1e-9)).sum(axis=0)
    p = ((1 + reached) / (1 + permutations)).reshape(shape)
    return MeanDifference(values, p <= 1 - LEVEL, p, (n, m))


def _splits(n: int, total: int, permutations: int, seed: int) -> NDArray[np.float64]:
    """`(1 + permutations, total)` of 0 and 1: who is in the first group; the first row is the observed split."""
    rng = np.random.default_rng(seed)
    member = np.zeros((1 + permutations, total))
    member[0, :n] = 1
    chosen = rng.random((permutations, total)).argsort(axis=1)[:, :n]
    np.put_along_axis(member[1:], chosen, 1, axis=1)
    return member


def _t_values(values: NDArray[np.float64], member: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """|t| of the observed split `(pixels,)` and the largest |t| over pixels of each permuted split."""
    observed, largest = [], np.zeros(len(member) - 1)
    for start in range(0, values.shape[1], _CHUNK):
        t = _welch(values[:, start : start + _CHUNK], member)
        observed.append(t[0])
        largest = np.maximum(largest, t[1:].max(axis=1))
    return np.concatenate(observed), largest


def _welch(values: NDArray[np.float64], member: NDArray[np.float64]) -> NDArray[np.float64]:
    """|mean₁ − mean₂| / √(var₁/n₁ + var₂/n₂) for each split and pixel; 0 where no map differs."""
    values = values - values.mean(axis=0)  # keeps Σx² − n·mean² exact enough
    spread = np.abs(values).max(axis=0)
    means, errors = [], []
    for group in (member, 1 - member):
        n = group.sum(axis=1, keepdims=True)
        mean = group @ values / n
        means.append(mean)
        errors.append(np.maximum(group @ values**2 / n - mean**2, 0) / (n - 1))
    error = np.sqrt(errors[0] + errors[1])
    # Where all maps of each group agree the error is rounding alone; the floor keeps such a t large and finite.
    return np.abs(means[0] - means[1]) / np.maximum(error, np.where(spread > 0, spread * 1e-6, 1))
