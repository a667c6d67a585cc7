"""What a cascade says of one method, from intervals alone: no similarity is high or low by itself.

A map of the trained model is compared, on every measure, with

- `repeat`: the same model's map of the same picture, asked again with other seeds; 1 for methods that draw nothing,
- `random`: the map of a copy with random weights, with the same other seeds,
- `other`: the same model's map of another picture.

A method that ignores the model has `random` = `repeat`, sample by sample: that is the null hypothesis. What tells a map
nothing of its picture has `repeat` = `other`. Differences are averaged over samples and seeds (see `two_way`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["passes", "fails", "undecided", "unchecked"]
Why = Literal["few", "same", "noise", "ignores", "unclear", "stays", "changes"]

MEASURES = ("spearman", "spearman-absolute", "ssim", "hog", "cosine")
"""The similarities that are stored, in this order, and that a verdict rests on together."""

LEVEL = 0.95
LEAST, LEAST_SEEDS = 8, 2
"""Samples, and random models, below which nothing is said of a difference."""
RESOLUTION = 0.001
"""Two steps of what is stored: smaller differences of a similarity are none."""

Values = NDArray[np.float64]
Range = tuple[int, int]
"""The first and the last random stage, from 0 at the input."""


@dataclass(frozen=True)
class Evidence:
    """Similarities of N samples under S seeds by M measures; NaN where there is none.

    Attributes:
        stages: names of the K stages, from the input to the output.
        repeat: `(S, N, M)`.
        other: `(N, M)`.
        random: by which stages are random, `(S, N, M)`.
    """

    stages: Sequence[str]
    repeat: Values
    other: Values
    random: Mapping[Range, Values]

    @property
    def whole(self) -> Range:
        """All stages."""
        return 0, len(self.stages) - 1

    @property
    def full(self) -> Values:
        """`(S, N, M)` with all weights random."""
        return self.random.get(self.whole, np.full_like(self.repeat, np.nan))


@dataclass(frozen=True)
class Interval:
    """A mean over `n` samples and `seeds` seeds, with bounds that both were drawn anew; NaN where there are too few."""

    mean: float
    low: float
    high: float
    n: int
    seeds: int


@dataclass(frozen=True)
class Finding:
    """What follows.

    Attributes:
        kind: as a badge has it.
        why: what it rests on: `few` samples or seeds, the `same` map whatever the weights, `noise`, it `ignores` the
            model, it cannot be told (`unclear`), most of it `stays`, it `changes`.
        since: the stage, from 0 at the input, from which on to the output random weights are distinguishable from a
            method that ignores the model; None where they never are.
        tried: whether the next step was tried, or is not there yet.
        nearer: by measure whether maps of a random model are nearer to those of other pictures (1), to those of the
            trained model (-1), or neither can be said (0); measures that cannot tell pictures apart are left out.
        left: measures on which they are still more alike than maps of different pictures.
        n, seeds: samples and seeds that it stands on.
    """

    kind: Kind
    why: Why
    since: int | None = None
    tried: bool = False
    nearer: Mapping[int, int] | None = None
    left: tuple[int, ...] = ()
    n: int = 0
    seeds: int = 0


def two_way(values: Values, level: float = LEVEL) -> Interval:
    """The mean of `(S, N)` values of samples under seeds, with its interval.

    Samples and seeds are both drawn, and both shared by many values. The variance is that of the pigeonhole bootstrap
    (Owen 2007, The pigeonhole bootstrap): of the samples' means plus of the seeds' means, which is rather too large
    than too small. Quantiles are Student's, with Satterthwaite's degrees of freedom: three seeds have too few resamples
    for percentiles. Seeds without any value are left out, and then samples that lack one under any seed.
    """
    from scipy.special import stdtrit

    known = np.isfinite(values)
    complete = values[known.any(axis=1)]
    complete = complete[:, np.isfinite(complete).all(axis=0)]
    seeds, n = complete.shape
    if not n or not seeds:
        return Interval(*(np.nan,) * 3, n, seeds)
    mean = float(complete.mean())
    if n < 2 or seeds < LEAST_SEEDS:
        return Interval(mean, np.nan, np.nan, n, seeds)
    parts = np.array([complete.mean(axis=0).var(ddof=1) / n, complete.mean(axis=1).var(ddof=1) / seeds])
    variance = float(parts.sum())
    if variance == 0:
        return Interval(mean, mean, mean, n, seeds)
    freedom = variance**2 / float((parts**2 / [n - 1, seeds - 1]).sum())
    half = float(stdtrit(freedom, 0.5 + level / 2)) * variance**0.5
    return Interval(mean, mean - half, mean + half, n, seeds)


def decide(found: Evidence) -> Finding:
    """The verdict. Errors of the first kind are held at 5 % over all measures and stages that are tried."""
    full, other = found.full, np.broadcast_to(found.other, found.repeat.shape)
    usable = np.isfinite(full) & np.isfinite(found.repeat) & np.isfinite(other)
    counts = usable.all(axis=0).sum(axis=0)
    seeds, n = len(found.repeat), int(counts.max(initial=0))
    measures = [measure for measure, count in enumerate(counts) if count >= LEAST]
    if not measures:
        return Finding("undecided", "few", n=n, seeds=seeds)
    moved = (found.repeat - full)[..., measures]
    if np.nanmax(np.abs(moved)) <= RESOLUTION:
        return Finding("fails", _unmoved(found, other, measures), n=n, seeds=seeds)
    if seeds < LEAST_SEEDS:
        return Finding("undecided", "few", n=n, seeds=seeds)
    level = 1 - (1 - LEVEL) / len(measures)
    apart = [each for each in measures if two_way((found.repeat - other)[..., each], level).low > 0]
    if not apart:
        return Finding("fails", "noise", n=n, seeds=seeds)
    since, tried = _since(found, measures, level)
    nearer = {each: _side(two_way((found.repeat + other - 2 * full)[..., each])) for each in apart}
    left = tuple(each for each in apart if two_way((full - other)[..., each], level).low > 0)
    kind, why = _kind(since is not None, set(nearer.values()))
    return Finding(kind, why, since, tried, nearer, left, n, seeds)


def _unmoved(found: Evidence, other: Values, measures: Sequence[int]) -> Why:
    """Of maps that random weights do not change: they may be drawn from chance."""
    noise = len(found.repeat) >= LEAST_SEEDS and not any(
        two_way((found.repeat - other)[..., each], 1 - (1 - LEVEL) / len(measures)).low > 0 for each in measures
    )
    varies = np.nanmax(np.abs(1 - found.repeat[..., measures])) > RESOLUTION
    return "noise" if noise and varies else "same"


def _kind(distinguishable: bool, sides: set[int]) -> tuple[Kind, Why]:
    if not distinguishable:
        return ("fails", "ignores") if sides == {-1} else ("undecided", "unclear")
    return ("passes", "changes") if sides == {1} else ("undecided", "stays")


def _side(one: Interval) -> int:
    return int(one.low > 0) - int(one.high < 0)


def _since(found: Evidence, measures: Sequence[int], level: float) -> tuple[int | None, bool]:
    """The last stage that a fixed sequence of tests reaches, from all weights random towards the head alone.

    Each is tried only where the one before was distinguishable, so that the error over all of them is that of one. The
    second is false where the sequence ended because the next step is not there.
    """
    since = None
    for first in range(len(found.stages)):
        random = found.random.get((first, len(found.stages) - 1))
        if random is None or np.isfinite(random).any(axis=(1, 2)).sum() < LEAST_SEEDS:
            return since, False
        if not _distinguishable(found.repeat - random, measures, level):
            break
        since = first
    return since, True


def _distinguishable(moved: Values, measures: Sequence[int], level: float) -> bool:
    every = (two_way(moved[..., each], level) for each in measures)
    return any(one.n >= LEAST and one.low > 0 for one in every)
