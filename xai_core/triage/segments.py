"""How good a segmenter is, from its confusion in pixels, picture by picture.

Everything is a ratio of sums over pictures (as Pascal VOC counts it, Everingham et al. 2010), so that a small picture
weighs little and an object that is missing from most pictures is judged where it is. Intervals are over pictures:
pixels of one picture are no independent samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.label_maps import dense
from xai_core.triage.arms import ArmChange, change_of_measures
from xai_core.triage.intervals import MIN_BOOTSTRAP, Estimate, expanded_bounds, resample_weights

RESAMPLES = 4000
MOST_DRAWS = 10
"""Times RESAMPLES, where intervals of many are so wide that few draws lie outside."""
Whole = NDArray[np.int64]
Values = NDArray[np.float64]
Triples = NDArray[np.int64]
"""`(m, 3)` of a picture: true class, predicted class, pixels."""


@dataclass(frozen=True)
class PixelSums:
    """Of n pictures, the pixels of each of K classes.

    Attributes:
        hit: `(n, K)` of the class, and said to be.
        truth, said: `(n, K)` of the class; said to be.
    """

    hit: Whole
    truth: Whole
    said: Whole

    def __len__(self) -> int:
        return len(self.hit)


@dataclass(frozen=True)
class Segmented:
    """How good a segmenter is on n pictures.

    Attributes:
        iou, dice: of each class, `(K,)`, 0…1; NaN, and not counted, where a class is neither there nor said to be.
        mean_iou, mean_dice: over the classes that are counted.
        accuracy: share of pixels that are right.
        pictures: `(K,)` in how many a class is there or said to be.
        counted: how many classes are.
    """

    iou: Estimate
    dice: Estimate
    mean_iou: Estimate
    mean_dice: Estimate
    accuracy: Estimate
    pictures: Whole
    counted: int


@dataclass(frozen=True)
class Bounded:
    """How well boundaries are drawn, on n pictures: see `boundaries`.

    Attributes:
        f1: of each class, `(K,)`, 0…1; NaN, and not counted, where no picture has a boundary of it.
        mean_f1: over the classes that are counted.
    """

    f1: Estimate
    mean_f1: Estimate


@dataclass(frozen=True)
class Changed:
    """A second segmenter minus a first, on the same n pictures.

    Attributes:
        iou: of each class, `(K,)`; NaN where either does not count it.
        mean_iou: over the classes that both count.
    """

    iou: Estimate
    mean_iou: Estimate


def pixel_sums(counts: Sequence[Triples], classes: int) -> PixelSums:
    """From the sparse confusion of each picture."""
    return sums_of(np.array([dense(each, classes) for each in counts], np.int64).reshape(-1, classes, classes))


def sums_of(matrices: Whole) -> PixelSums:
    """From `(n, K, K)` pixels of each picture, truth in rows."""
    return PixelSums(np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(2), matrices.sum(1))


def segmented(sums: PixelSums, seed: int) -> Segmented:
    """Values, and 95 % bootstrap intervals over pictures; bounds are NaN below three of them."""
    values, draws = _of_all(sums), _drawn(sums, seed)
    found = {name: _estimate(values[name], draws[name], len(sums)) for name in values}
    pictures = ((sums.truth + sums.said) > 0).sum(0)
    return Segmented(**found, pictures=pictures, counted=int(np.isfinite(values["iou"]).sum()))


def bounded(boundaries: Whole, seed: int) -> Bounded:
    """From `(n, K, 4)` boundary pixels of each picture, in the order of `boundaries.boundary_counts`.

    Shares are of all pictures together, as those of pixels; Csurka et al. take the mean of each picture's F1.
    """
    value, draws = _boundary_f1(boundaries.sum(0)), np.zeros((0, boundaries.shape[1]))
    if len(boundaries) >= MIN_BOOTSTRAP:
        weights = resample_weights(len(boundaries), RESAMPLES, np.random.default_rng(seed))
        draws = _boundary_f1(np.einsum("rn,nkc->rkc", weights, boundaries))
    n = len(boundaries)
    return Bounded(_estimate(value, draws, n), _estimate(_mean(value), _mean(draws), n))


def _boundary_f1(sums: NDArray[Any]) -> Values:
    """Of `(…, K, 4)`; 0 where only one of both has a boundary, NaN where neither has."""
    said, right, truth, hit = np.moveaxis(np.asarray(sums, float), -1, 0)
    # 2PR / (P + R) with P = right/said and R = hit/truth, without dividing by either
    return np.where(said + truth > 0, _or_none(2 * right * hit, right * truth + hit * said), np.nan)


def _or_none(part: Values, whole: Values) -> Values:
    """0 where there is nothing to have a share of."""
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)


def changed(before: PixelSums, after: PixelSums, seed: int, *, tried: int = 1) -> Changed:
    """The difference, with intervals over pictures, drawn alike for both. Raises ValueError for other pictures.

    Args:
        tried: how many changes are looked at beside that of the mean: each interval of a class is Bonferroni's.
    """
    if len(before) != len(after) or (before.truth != after.truth).any():
        raise ValueError("two segmenters are compared on the same pictures")
    first, second = (np.stack([each.hit, each.truth, each.said], axis=-1) for each in (before, after))
    moved, draws = _moved(first, second, _iou, seed, tried)
    n = len(before)
    return Changed(_estimate(moved, draws, n, tried), _estimate(_mean(moved), _mean(draws), n))


def boundaries_changed(before: Whole, after: Whole, seed: int, *, tried: int = 1) -> Bounded:
    """The same of boundary F1, from `(n, K, 4)` as `bounded` takes it; the interval of the mean is Bonferroni's too."""
    moved, draws = _moved(before, after, _boundary_f1, seed, tried)
    n = len(before)
    return Bounded(_estimate(moved, draws, n, tried), _estimate(_mean(moved), _mean(draws), n, tried))


def share_changed(before: Whole, after: Whole, of: Whole, seed: int) -> Estimate:
    """The same of a share: `(n,)` pixels of each picture before and after, of so many."""
    first, second = (np.stack([part, of], axis=-1) for part in (before, after))
    moved, draws = _moved(first, second, lambda sums: _ratio(sums[..., 0], sums[..., 1]), seed, 1)
    return _estimate(moved, draws, len(before))


def _moved(
    before: Whole, after: Whole, measure: Callable[[NDArray[Any]], Values], seed: int, tried: int
) -> tuple[Values, Values]:
    """A measure of sums over pictures `(n, …)`, after minus before, and the same under each draw of the pictures; NaN
    where either is."""
    moved = measure(after.sum(0)) - measure(before.sum(0))
    n, rng, draws = len(before), np.random.default_rng(seed), [np.zeros((0, *np.shape(moved)))]
    for _ in range(min(MOST_DRAWS, 1 + tried // 8) if n >= MIN_BOOTSTRAP else 0):
        weights = resample_weights(n, RESAMPLES, rng)
        first, second = (np.tensordot(weights, each, 1) for each in (before, after))
        draws.append(np.where(np.isfinite(moved), measure(second) - measure(first), np.nan))
    return moved, np.concatenate(draws)


def _iou(sums: NDArray[Any]) -> Values:
    return _measures(*np.moveaxis(sums, -1, 0))["iou"]


def arms_changed(
    before: Sequence[PixelSums], after: Sequence[PixelSums], seed: int, *, tried: int = 1
) -> list[ArmChange]:
    """Of two ways of training, models of several seeds each on the same n pictures: how IoU changes.

    As `arms.arm_change`; what the draw of the pictures does to a ratio of sums is found by bootstrap, drawn alike for
    all models.

    Args:
        before, after: a model of each seed.
        tried: how many changes are looked at: each interval and test is Bonferroni's.

    Returns:
        One for each class that the pictures show, then one for the mean over these; empty (n is 0) for other classes.

    Raises ValueError for other pictures.
    """
    truth = before[0].truth
    if any(each.truth.shape != truth.shape or (each.truth != truth).any() for each in (*before, *after)):
        raise ValueError("segmenters are compared on the same pictures")
    shown, n = truth.sum(0) > 0, len(truth)
    first, second = (np.array([_with_mean(_of_all(each)["iou"], shown) for each in arm]) for arm in (before, after))
    draws = _mean_draws(after, shown, seed) - _mean_draws(before, shown, seed)
    known = [*shown.tolist(), bool(shown.any())]
    between = np.full(len(known), np.nan)
    if len(draws) and shown.any():
        between = np.nanvar(draws, axis=0, ddof=1) * n / (n - 1)
    return [
        change_of_measures(first[:, at], second[:, at], float(between[at]), n if there else 0, tried=tried)
        for at, there in enumerate(known)
    ]


def _with_mean(iou: Values, shown: NDArray[np.bool_]) -> Values:
    """`(…, K + 1)`: of each class that is shown, 0 for others, then their mean; NaN where a draw has none of it."""
    kept = np.where(shown, iou, 0.0)
    return np.concatenate([kept, _mean(np.where(shown, iou, np.nan))[..., None]], axis=-1)


def _mean_draws(arm: Sequence[PixelSums], shown: NDArray[np.bool_], seed: int) -> Values:
    """`(RESAMPLES, K + 1)`, the mean over an arm's models under each draw of the pictures."""
    drawn: Values = np.mean([_with_mean(_drawn(each, seed)["iou"], shown) for each in arm], axis=0)
    return drawn


def _of_all(sums: PixelSums) -> dict[str, Values]:
    return _measures(*(each.sum(0) for each in (sums.hit, sums.truth, sums.said)))


def _drawn(sums: PixelSums, seed: int) -> dict[str, Values]:
    """The measures of RESAMPLES draws of the pictures; the same draws for the same seed and number of pictures."""
    if len(sums) < MIN_BOOTSTRAP:
        return _measures(*np.zeros((3, 0, sums.hit.shape[1])))
    weights = resample_weights(len(sums), RESAMPLES, np.random.default_rng(seed))
    return _measures(*(weights @ each for each in (sums.hit, sums.truth, sums.said)))


def _measures(hit: NDArray[Any], truth: NDArray[Any], said: NDArray[Any]) -> dict[str, Values]:
    """Of `(…, K)` pixels."""
    iou = _ratio(hit, truth + said - hit)
    dice = _ratio(2 * hit, truth + said)
    accuracy = _ratio(hit.sum(-1), truth.sum(-1))
    return {"iou": iou, "dice": dice, "mean_iou": _mean(iou), "mean_dice": _mean(dice), "accuracy": accuracy}


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Values:
    """NaN where there is nothing to have a share of."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean(values: Values) -> Values:
    """Over the classes that are counted."""
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0.0).sum(-1), known.sum(-1))


def _estimate(value: Values, draws: Values, n: int, tried: int = 1) -> Estimate:
    """Bounds of each by itself, or as one of `tried`.

    A draw in which a class is not there at all says nothing of it, and is left out of its interval.
    """
    low, high = (np.full(np.shape(value), np.nan) for _ in range(2))
    for place in np.ndindex(np.shape(value)):
        column = draws[(slice(None), *place)]
        known = column[np.isfinite(column)]
        if len(known) and np.isfinite(value[place]):
            low[place], high[place] = expanded_bounds(known, n, tried=tried)
    return Estimate(value, low, high, n)
