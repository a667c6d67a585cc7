"""Comparisons on the same samples, many at once: intervals that hold all together, and orders that stand on them.

Of many comparisons some come out by chance. The intervals here hold for a whole family at once: the largest of all
studentised deviations when samples are drawn again decides how wide each is (single-step max-T: Westfall and Young
1993, Resampling-Based Multiple Testing, chapter 2). Comparisons that say nearly the same then cost little. Drawn again
are the signs by which each sample departs from the mean (the wild bootstrap with two points: Liu 1988; Davidson and
Flachaire 2008), which also few samples and metrics of yes and no can be compared by.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.triage.intervals import resample_weights

FAMILY_LEVEL = 0.975
"""How often all intervals of a family hold: beyond 95 %, so that what few samples add does not lead below it."""
RESAMPLES = 2000
_AT_ONCE = 2**22
"""Numbers held in memory at once: 32 MB."""

Values = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Differences:
    """Mean differences `(P,)` over `n` samples each, with intervals that all hold at once.

    Bounds are NaN where too few samples differ for any comparison of this family to be told from chance.
    """

    mean: Values
    low: Values
    high: Values
    n: Whole

    @property
    def sign(self) -> Whole:
        """`(P,)` +1 or −1 where the interval lies on one side of zero, else 0."""
        return (self.low > 0).astype(np.int64) - (self.high < 0).astype(np.int64)


def simultaneous(values: Values, seed: int, resamples: int = RESAMPLES) -> Differences:
    """Intervals of P mean differences that all hold at once in FAMILY_LEVEL of cases.

    Args:
        values: `(N, P)` differences of N samples; NaN where a sample lacks one of the two numbers.
        seed: of what is drawn.
        resamples: how often.
    """
    there = np.isfinite(values)
    n = there.sum(axis=0)
    mean = np.divide(np.where(there, values, 0.0).sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    spread = np.where(there, values - mean, 0.0)
    squares = (spread**2).sum(axis=0)
    error = np.sqrt(squares / np.maximum(n - 1, 1) / np.maximum(n, 1))
    telling = (there & (values != 0)).sum(axis=0) >= least_telling(int((n > 0).sum()))
    varies = telling & (error > 1e-9 * np.abs(mean))
    low, high = (np.where(telling, mean, np.nan) for _ in range(2))
    if varies.any():
        largest = [
            _studentised(signs @ spread[:, varies], squares[varies], n[varies]).max(axis=1)
            for signs in _signs(len(values), int(varies.sum()), seed, resamples)
        ]
        arm = np.quantile(np.concatenate(largest), FAMILY_LEVEL, method="higher") * error[varies]
        low[varies], high[varies] = mean[varies] - arm, mean[varies] + arm
    return Differences(mean, low, high, n.astype(np.int64))


def least_telling(count: int) -> int:
    """How many samples must differ before one of `count` comparisons can be told from chance.

    Were two methods equal, each difference could as well have the other sign: with k that are not zero the most
    extreme outcome has probability 2^(1 − k).
    """
    return math.ceil(1 + math.log2(max(count, 1) / (1 - FAMILY_LEVEL)))


def _signs(n: int, columns: int, seed: int, resamples: int) -> Iterator[Values]:
    """`(b, n)` of +1 and −1, part by part."""
    rng, most = np.random.default_rng(seed), max(1, _AT_ONCE // max(n, columns, 1))
    for first in range(0, resamples, most):
        yield rng.integers(0, 2, (min(most, resamples - first), n)).astype(np.float64) * 2 - 1


def _studentised(sums: Values, squares: Values, n: Whole) -> Values:
    """`(b, P)` |t| of samples with these sums and sums of squares; infinite where all are alike."""
    variance = np.maximum(squares / n - (sums / n) ** 2, 0) / (n - 1)
    size = np.abs(sums / n)
    return np.divide(size, np.sqrt(variance), out=np.where(size > 0, np.inf, 0.0), where=variance > 0)


def resampled_means(values: Values, seed: int, resamples: int = RESAMPLES) -> Values:
    """`(B, P)` means of N samples drawn again, the same for all columns of `values` `(N, P)`; NaN passed over."""
    there = np.isfinite(values).astype(float)
    filled, rng = np.where(there > 0, values, 0.0), np.random.default_rng(seed)
    most, parts = max(1, _AT_ONCE // max(values.size, 1)), []
    for first in range(0, resamples, max(most, 64)):
        weights = resample_weights(len(values), min(max(most, 64), resamples - first), rng)
        sums, share = weights @ filled, weights @ there
        parts.append(np.divide(sums, share, out=np.full(sums.shape, np.nan), where=share > 0))
    return np.concatenate(parts)


def rank_ranges(better: Whole) -> tuple[Whole, Whole]:
    """`(M,)` the best and the worst rank, from 1, that each of M methods may have.

    Args:
        better: `(M, M)` +1 where the method of the row is better than that of the column, −1 where it is worse, 0 where
            that cannot be told.
    """
    return 1 + (better < 0).sum(axis=1), len(better) - (better > 0).sum(axis=1)


def kendall(a: Values, b: Values) -> Values:
    """Kendall's τ_b of the last axis, `(…, M)` → `(…,)`; NaN where one of them is tied throughout.

    Kendall 1945, The treatment of ties in ranking problems: Σ sign·sign over pairs ÷ √(pairs not tied in a · in b).
    """
    first, second = np.triu_indices(a.shape[-1], 1)
    signs_a, signs_b = (np.sign(each[..., first] - each[..., second]) for each in (a, b))
    size = np.sqrt((signs_a**2).sum(-1) * (signs_b**2).sum(-1))
    together = (signs_a * signs_b).sum(-1)
    return np.asarray(np.divide(together, size, out=np.full(together.shape, np.nan), where=size > 0))
