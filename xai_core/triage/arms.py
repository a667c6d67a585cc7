"""Two arms of an experiment, each of several seeds, on the same samples: is one better, or were its seeds lucky?

An arm is a way of training. A model is one draw of it, and a test set one draw of the samples: a claim about the arm
has to stand on both. `before` and `after` are `(S, n)`, the outcome of each of n samples under each seed's model: yes
or no, or a share 0…1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from xai_core.triage.compare import Verdict
from xai_core.triage.intervals import LEVEL
from xai_core.words import percent, points, points_range

ENOUGH_SEEDS = 6
"""Of each arm, before anything is claimed."""
_EXACT_UP_TO = 20_000
_DRAWN = 20_000

Outcomes = NDArray[np.bool_] | NDArray[np.floating]


@dataclass(frozen=True)
class ArmChange:
    """The share of samples with an outcome, under two arms.

    Attributes:
        n: samples.
        before, after: the share under each seed's model.
        difference: of the means over seeds, with its interval `low`, `high`; NaN with fewer than two seeds or samples.
        level: of the interval: 0.95, or more where several candidates are tried.
        p: permutation test over seeds, two-sided: which arm a model is of.
    """

    n: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    difference: float
    low: float
    high: float
    level: float
    p: float

    @property
    def seeds(self) -> int:
        """Of the arm that has fewer."""
        return min(len(self.before), len(self.after))

    @property
    def sure(self) -> bool:
        """Enough seeds, an interval that excludes zero, and an exact test that agrees."""
        return self.seeds >= ENOUGH_SEEDS and (self.low > 0 or self.high < 0) and self.p < 1 - self.level


def arm_change(before: Outcomes, after: Outcomes, *, tried: int = 1) -> ArmChange:
    """The change from one arm to another.

    The error is that of a difference of means crossed over seeds and samples: the variance between seeds over their
    number, plus the variance between samples (of their means over seeds) over theirs. What is special to a seed and a
    sample counts in both, so the error is rather too large (Owen 2007, The pigeonhole bootstrap, section 3). Its
    degrees of freedom are Satterthwaite's: those of the few seeds where seeds decide.

    Args:
        tried: how many candidates are compared with one baseline: each interval and test is Bonferroni's.
    """
    n = before.shape[1]
    if not n or not len(before) or not len(after):
        return change_of_measures(np.empty(0), np.empty(0), 0.0, n, tried=tried)
    between = float((after.mean(0) - before.mean(0)).var(ddof=1)) / n if n > 1 else 0.0
    return change_of_measures(before.mean(1), after.mean(1), between, n, tried=tried)


def change_of_measures(
    first: NDArray[np.float64], second: NDArray[np.float64], between: float, n: int, *, tried: int = 1
) -> ArmChange:
    """The same of any measure 0…1 that each seed's model has on the same n samples, such as an IoU.

    Args:
        first, second: `(S,)` the measure under each seed's model, before and after.
        between: variance of the difference of their means by the draw of samples.
    """
    level = 1 - (1 - LEVEL) / max(1, tried)
    if not n or not len(first) or not len(second):
        return ArmChange(n, (), (), math.nan, math.nan, math.nan, level, 1.0)
    difference = float(second.mean() - first.mean())
    parts = [(between, n - 1), _between_seeds(first), _between_seeds(second)]
    low, high = _interval(difference, parts, level) if min(len(first), len(second)) > 1 and n > 1 else (math.nan,) * 2
    shares = tuple(first.tolist()), tuple(second.tolist())
    return ArmChange(n, *shares, difference, low, high, level, _dealt(first, second))


def _between_seeds(shares: NDArray[np.float64]) -> tuple[float, int]:
    """The same by the draw of an arm's seeds."""
    return (float(shares.var(ddof=1)) / len(shares) if len(shares) > 1 else 0.0), len(shares) - 1


def _interval(difference: float, parts: Sequence[tuple[float, int]], level: float) -> tuple[float, float]:
    from scipy.stats import t

    variance = sum(part for part, _ in parts)
    if not variance:
        return difference, difference
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts if part)
    arm = float(t.ppf(0.5 + level / 2, freedom)) * math.sqrt(variance)
    return max(difference - arm, -1.0), min(difference + arm, 1.0)  # a difference of shares ends there


def _dealt(first: NDArray, second: NDArray) -> float:
    """Share of all ways to deal the models out to two arms whose means differ at least as much."""
    together, count = np.concatenate([first, second]), len(first)
    if math.comb(len(together), count) <= _EXACT_UP_TO:
        chosen = np.array(list(combinations(range(len(together)), count)))
    else:
        rng = np.random.default_rng(0)
        chosen = np.array([rng.permutation(len(together))[:count] for _ in range(_DRAWN)])
        chosen[0] = np.arange(count)
    sums = together[chosen].sum(1)
    means = sums / count - (together.sum() - sums) / len(second)
    return _extreme(np.abs(means), abs(float(first.mean() - second.mean())))


def _extreme(drawn: NDArray, seen: float) -> float:
    return float((drawn >= seen - 1e-12).mean())


def arm_verdict(change: ArmChange, what: str, *, lower_is_better: bool = False) -> Verdict:
    """The sentence that the numbers carry: a direction only where `change.sure`."""
    if not change.n or not change.seeds:
        return Verdict("empty", f"{what}: there is nothing to compare.")
    numbers = f"{spread_words(change.before)} before, {spread_words(change.after)} after ({change.n:,} samples)"
    if math.isnan(change.low):
        few = change.seeds < 2
        why = "one seed says nothing of how much seeds differ" if few else "so few samples say nothing of others"
        claim = f"{what}: nothing can be claimed of this way of training, because {why}."
        return Verdict("undecided", f"{claim} {_cap(numbers)}.")
    span = f"{points(change.difference)} percentage points, {percent(change.level)} interval"
    numbers += f"; {span} {points_range(change.low, change.high)} over seeds and samples; p {_p(change.p)}"
    if change.sure:
        better = (change.difference > 0) != lower_is_better
        return Verdict("better" if better else "worse", f"{what} {'improved' if better else 'got worse'}: {numbers}.")
    if change.seeds < ENOUGH_SEEDS:
        why = f"{change.seeds} seeds are fewer than the {ENOUGH_SEEDS} that a claim about a way of training needs"
    elif change.low <= 0 <= change.high:
        why = "the interval includes zero"
    else:
        why = "the exact test over seeds does not confirm it"
    return Verdict("undecided", f"{what}: no change can be claimed, because {why}. {_cap(numbers)}.")


def spread_words(shares: Sequence[float]) -> str:
    """The mean, and the range of seeds."""
    mean = percent(float(np.mean(shares)), 1)
    return f"{mean} (seeds {percent(min(shares), 1)} to {percent(max(shares), 1)})" if len(shares) > 1 else mean


def _cap(text: str) -> str:
    return text[0].upper() + text[1:]


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
