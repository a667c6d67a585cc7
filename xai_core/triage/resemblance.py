"""Do the confused samples' maps look like those of the class they were taken for?

Similarity is Pearson's correlation of two maps over their pixels, in [−1, 1]: it ignores how strong a map is and how
much evidence lies everywhere. Maps without any variation have none and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.triage.intervals import LEVEL, MIN_BOOTSTRAP, expanded_bounds, resample_weights
from xai_core.triage.ordering import drawn


@dataclass(frozen=True)
class Resemblance:
    """How samples of class A taken for B resemble correct A and correct B.

    Attributes:
        to_true, to_predicted: `(n,)` similarity of each confused map to the mean of correct A, of correct B.
        true_own, predicted_own: `(m,)` similarity of each correct map to the mean of the others of its class: what a
            map that belongs there reaches.
        difference: mean of to_predicted − to_true; above 0 they look like B more than like A.
        low, high: its 95 % interval, over confused samples and both reference groups.
        p: of the sign-flip test on the paired differences.
        n: confused samples used. `references`: maps in each mean, equally many. `left_out`: confused maps without one.
    """

    to_true: NDArray[np.float64]
    to_predicted: NDArray[np.float64]
    true_own: NDArray[np.float64]
    predicted_own: NDArray[np.float64]
    difference: float
    low: float
    high: float
    p: float
    n: int
    references: int
    left_out: int

    @property
    def own_means(self) -> tuple[float | None, float | None]:
        """Means of `true_own` and `predicted_own`; None where there is none."""
        known = (own[np.isfinite(own)] for own in (self.true_own, self.predicted_own))
        true, predicted = (float(own.mean()) if len(own) else None for own in known)
        return true, predicted

    @property
    def sentence(self) -> str:
        """What follows from the numbers, and no more."""
        if not self.n or not self.references:
            return "There are no maps to compare."
        difference, low, high = (_two(number) for number in (self.difference, self.low, self.high))
        numbers = f"{difference}, 95 % interval {low} to {high}, n = {self.n}"
        if np.isnan(self.low):
            return f"Too few maps to say (difference {difference}, n = {self.n})."
        if self.low > 0 and self.p < 1 - LEVEL:
            return f"Their maps look more like those of the predicted class than of the true one ({numbers})."
        if self.high < 0 and self.p < 1 - LEVEL:
            return f"Their maps still look more like those of the true class than of the predicted one ({numbers})."
        return f"It cannot be said which class their maps resemble more ({numbers})."


def resemblance(
    confused: NDArray, correct_true: NDArray, correct_predicted: NDArray, *, seed: int, resamples: int = 2000
) -> Resemblance:
    """Compare `(n, h, w)` maps, all from `aggregates.comparable`.

    The larger reference group is thinned at random to the size of the smaller: a mean of more maps is less noisy, so
    everything would resemble it more. The interval is a bootstrap over all three groups that keeps the two
    similarities of a sample together; p = (1 + #{|mean of flipped| ≥ |mean|}) / (1 + resamples) over random flips of
    the sign of each sample's difference.
    """
    rng = np.random.default_rng(seed)
    maps = _varied(confused)
    true, predicted = _same_size(_varied(correct_true), _varied(correct_predicted), rng)
    left_out = len(confused) - len(maps)
    if not len(maps) or not len(true):
        none, nan = np.empty(0), np.nan
        return Resemblance(none, none, none, none, nan, nan, nan, nan, len(maps), len(true), left_out)
    to_true, to_predicted = (maps @ _unit(group.mean(axis=0)) for group in (true, predicted))
    gap = to_predicted - to_true
    low, high = _bounds(maps, true, predicted, rng, resamples)
    return Resemblance(
        to_true=to_true,
        to_predicted=to_predicted,
        true_own=_leave_one_out(true),
        predicted_own=_leave_one_out(predicted),
        difference=float(gap.mean()),
        low=low,
        high=high,
        p=_sign_flip(gap, rng, resamples),
        n=len(maps),
        references=len(true),
        left_out=left_out,
    )


def _two(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _varied(maps: NDArray) -> NDArray[np.float64]:
    """`(n, h·w)` centred maps of length 1, so that a correlation is a dot product; flat and missing maps dropped."""
    flat = np.asarray(maps, float).reshape(len(maps), -1) if len(maps) else np.empty((0, 1))
    flat = flat[np.isfinite(flat).all(axis=1)]
    return _unit(flat[np.ptp(flat, axis=1) > 0]) if len(flat) else flat


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return centred / np.where(length > 0, length, 1)


def _same_size(first: NDArray, second: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    size = min(len(first), len(second))
    thinned = [group[drawn(np.arange(len(group)), size, rng)] for group in (first, second)]
    return thinned[0], thinned[1]


def _leave_one_out(group: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarity of each member to the mean of the others; NaN where there are none."""
    if len(group) < 2:
        return np.full(len(group), np.nan)
    others = _unit((group.sum(axis=0) - group) / (len(group) - 1))
    return np.einsum("nd,nd->n", group, others)


def _bounds(
    maps: NDArray, true: NDArray, predicted: NDArray, rng: np.random.Generator, resamples: int
) -> tuple[float, float]:
    smallest = min(len(maps), len(true))
    if smallest < MIN_BOOTSTRAP:
        return np.nan, np.nan
    statistic = np.zeros(resamples)
    drawn = resample_weights(len(maps), resamples, rng)
    for sign, group in ((1, predicted), (-1, true)):
        # cos(x, Σ w·g) from inner products alone: no mean map is ever built, so its resolution costs nothing.
        weights = resample_weights(len(group), resamples, rng)
        length = np.sqrt(np.einsum("bi,ij,bj->b", weights, group @ group.T, weights, optimize=True))
        statistic += sign * np.einsum("bn,nm,bm->b", drawn, maps @ group.T, weights, optimize=True) / length
    low, high = expanded_bounds(statistic, smallest)
    return float(low), float(high)


def _sign_flip(gap: NDArray[np.float64], rng: np.random.Generator, resamples: int) -> float:
    signs = rng.choice([-1.0, 1.0], size=(resamples, len(gap)))
    reached = np.abs(signs @ gap) >= np.abs(gap.sum()) * (1 - 1e-9)
    return float((1 + reached.sum()) / (1 + resamples))
