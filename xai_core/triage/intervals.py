"""Intervals at 95 % for a proportion, for a difference of two paired proportions, and for a mean by bootstrap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
MIN_BOOTSTRAP = 3
"""Below this many samples a bootstrap has next to nothing to resample, and bounds are NaN."""
_CHUNK = 8192  # pixels resampled at once, so that memory stays below 200 MB for maps of any size


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` samples and its interval; arrays of one shape, bounds NaN where `n` is too small."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: int


def wilson(successes: ArrayLike, n: ArrayLike, z: float = Z) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds of a proportion, elementwise; NaN where n is 0. `z` is the normal quantile of another level.

    Wilson (1927), Probable inference: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).
    """
    k, total = np.broadcast_arrays(np.asarray(successes, float), np.asarray(n, float))
    total = np.where(total > 0, total, np.nan)
    p = k / total
    centre = p + z**2 / (2 * total)
    half = z * np.sqrt(p * (1 - p) / total + z**2 / (4 * total**2))
    scale = 1 + z**2 / total
    # Exact at the ends, where rounding would leave 1e-17 instead of 0 and 1.
    low = np.where(k == 0, p, (centre - half) / scale)
    high = np.where(k == total, p, (centre + half) / scale)
    return low, high


def mean_share(successes: ArrayLike, n: ArrayLike, *, seed: int, draws: int = 20_000) -> tuple[float, float]:
    """Bounds of the plain mean of independent proportions, such as balanced accuracy: the mean of the classes' recalls.

    What the mean of proportions may be when nothing is known of each but its counts: quantiles of draws from
    Beta(k + ½, n − k + ½), of Jeffreys' prior (Brown, Cai, DasGupta 2001). A bootstrap within classes would take one
    that is right three times of three to be certain. Proportions with n = 0 are left out; NaN where none has more.
    """
    k, total = np.broadcast_arrays(np.asarray(successes, float), np.asarray(n, float))
    k, total = k[total > 0], total[total > 0]
    if not len(total):
        return math.nan, math.nan
    means = np.random.default_rng(seed).beta(k + 0.5, total - k + 0.5, size=(draws, len(total))).mean(axis=1)
    low, high = np.quantile(means, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return float(low), float(high)


def paired_difference(gained: int, lost: int, n: int, z: float = Z) -> tuple[float, float]:
    """Bounds of (gained − lost) / n, the difference of two proportions on the same n samples; NaN for n = 0.

    `z` is the normal quantile of another level.

    The score interval of Tango (1998), Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design: all λ with |gained − lost − nλ| ≤ z √(n (2q + λ(1−λ))), where q is the
    restricted estimate of the share of losses. At λ = 0 this is McNemar's statistic.
    """
    if n == 0:
        return math.nan, math.nan
    from scipy.optimize import brentq

    centre, edge = (gained - lost) / n, 1 - 1e-12

    def bound(sign: int) -> float:
        if sign * centre >= edge:
            return float(sign)
        return float(brentq(lambda x: _tango(x, gained, lost, n) + sign * z, *sorted((centre, sign * edge))))

    return bound(-1), bound(+1)


def _tango(difference: float, gained: int, lost: int, n: int) -> float:
    numerator = gained - lost - n * difference
    if numerator == 0:
        return 0.0
    b = (2 * n - gained + lost) * difference - gained - lost
    c = -lost * difference * (1 - difference)
    losses = (math.sqrt(b * b - 8 * n * c) - b) / (4 * n)
    return numerator / math.sqrt(n * (2 * losses + difference * (1 - difference)))


def bootstrap_mean(values: NDArray, *, seed: int, resamples: int = 4000) -> Estimate:
    """Mean over the first axis of `values (N, …)` with a bootstrap interval for each entry by itself.

    The expanded percentile interval of Hesterberg (2015), What teachers should know about the bootstrap:
    percentiles are taken further out, so that a small N does not give bounds that are too narrow.
    """
    n, shape = len(values), np.shape(values)[1:]
    if n < MIN_BOOTSTRAP:
        nan = np.full(shape, np.nan)
        return Estimate(np.mean(values, axis=0) if n else nan, nan, nan, n)
    flat = np.asarray(values, float).reshape(n, -1)
    weights = resample_weights(n, resamples, np.random.default_rng(seed))
    chunks = [
        expanded_bounds(weights @ flat[:, start : start + _CHUNK], n) for start in range(0, flat.shape[1], _CHUNK)
    ]
    low, high = np.concatenate(chunks, axis=1)
    return Estimate(flat.mean(axis=0).reshape(shape), low.reshape(shape), high.reshape(shape), n)


def bootstrap_means(groups: Sequence[NDArray], *, seed: int) -> list[Estimate]:
    """`bootstrap_mean` of each of the groups `(n, …)`: the same numbers, those of one n and shape at one go."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, values in enumerate(groups):
        alike.setdefault(np.shape(values), []).append(place)
    found: dict[int, Estimate] = {}
    for shape, places in alike.items():
        together = bootstrap_mean(np.stack([groups[place] for place in places], axis=1), seed=seed)
        for at, place in enumerate(places):
            found[place] = Estimate(together.value[at], together.low[at], together.high[at], shape[0])
    return [found[place] for place in range(len(groups))]


def resample_weights(n: int, resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`(resamples, n)` weights with sum 1: how often each sample was drawn, divided by n."""
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n


def expanded_bounds(resampled: NDArray[np.float64], n: int, *, tried: int = 1) -> NDArray[np.float64]:
    """`(2, …)` bounds from resampled statistics `(B, …)` of n samples, at percentiles expanded for small n.

    Of `tried` of them each is Bonferroni's: together they hold at 95 %.
    """
    from scipy.stats import t

    tail = NormalDist().cdf(-math.sqrt(n / (n - 1)) * t.ppf(1 - (1 - LEVEL) / (2 * tried), n - 1))
    return np.quantile(resampled, [tail, 1 - tail], axis=0)
