"""Evidence by its distance from what maps are about: shares, and how they compare with the share of the area there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.triage.intervals import MIN_BOOTSTRAP, Estimate, bootstrap_mean, expanded_bounds, resample_weights

EDGES = np.array([0.0, 0.05, 0.1, 0.2, 0.4])
"""Between bands, as shares of the picture's shorter side: finer near the region, where maps differ."""

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Bands:
    """Of N pictures, in `len(EDGES) + 1` bands: in the region, up to each further edge, and beyond the last.

    Attributes:
        share: of a map's evidence in each band.
        area: `(B,)` of the pixels in each band, on the mean.
        times: the mean share of the evidence over that of the area: 1 is what a map gives that is the same everywhere.
            NaN where no picture reaches that far; bounds also where some of those drawn again have none that does.
    """

    share: Estimate
    area: Shares
    times: Estimate


def in_bands(beyond: Shares) -> Shares:
    """`(N, B)` shares in each band from `(N, B − 1)` shares beyond each edge."""
    ends = np.concatenate([np.ones((len(beyond), 1)), beyond, np.zeros((len(beyond), 1))], axis=1)
    return -np.diff(ends, axis=1)


def banded(shares: Shares, areas: Shares, seed: int) -> Bands:
    """Of N maps, `(N, B)` shares of their evidence and of their pictures' area, with 95 % intervals over pictures."""
    area = areas.mean(axis=0) if len(areas) else np.full(areas.shape[1], np.nan)
    return Bands(bootstrap_mean(shares, seed=seed), area, _times(shares, areas, seed))


def _times(shares: Shares, areas: Shares, seed: int, resamples: int = 4000) -> Estimate:
    """A ratio of means, drawn again by picture: of one picture it could be anything where a band is a few pixels."""
    n, nan = len(shares), np.full(shares.shape[1], np.nan)
    value = _ratio(shares.mean(axis=0), areas.mean(axis=0)) if n else nan
    if n < MIN_BOOTSTRAP:
        return Estimate(value, nan, nan, n)
    weights = resample_weights(n, resamples, np.random.default_rng(seed))
    low, high = expanded_bounds(_ratio(weights @ shares, weights @ areas), n)
    return Estimate(value, low, high, n)


def _ratio(above: Shares, below: Shares) -> Shares:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
