"""Two runs on the same samples: which samples changed, whether that is more than chance, and the sentence that follows.

`baseline` and `candidate` are `(n,)` predicted classes, aligned with the `(n,)` labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core.triage.confusion import Cell, Per, confusion_counts, rates
from xai_core.triage.intervals import LEVEL, paired_difference
from xai_core.words import percent, points

TRANSITIONS = ("still right", "fixed", "broken", "still wrong", "changed its mistake")
"""What can happen to a sample, in the order of the codes of `transitions`."""

CAVEATS = (
    "These are two trained models: training either once more, with another seed, would also change some samples.",
    "A cell chosen because it is the largest of the baseline tends to shrink in any other run. "
    "Test the fix on samples that did not lead to it.",
)
"""What the numbers cannot say, for the page to say."""

Kind = Literal["better", "worse", "undecided", "empty"]


@dataclass(frozen=True)
class PairedChange:
    """A yes-or-no outcome of the same n samples under two runs.

    Attributes:
        n: samples.
        before, after: how many have the outcome under baseline and candidate.
        gained, lost: how many have it under the candidate alone, under the baseline alone.
        difference: (gained − lost) / n, with its 95 % interval `low`, `high` (Tango's score interval).
        p: exact McNemar test, two-sided: gained ~ Binomial(gained + lost, ½) where nothing changed.
        tried: of so many changes that were looked at this is one: the interval is made for 1 − 0.05 / tried, and p
            multiplied by it (Bonferroni).
    """

    n: int
    before: int
    after: int
    gained: int
    lost: int
    difference: float
    low: float
    high: float
    p: float
    tried: int = 1

    @property
    def level(self) -> float:
        """Of the interval."""
        return 1 - (1 - LEVEL) / self.tried

    @property
    def sure(self) -> bool:
        """The interval excludes zero and the exact test agrees: with few samples only both together are safe."""
        return bool((self.low > 0 or self.high < 0) and self.p < 1 - LEVEL)


@dataclass(frozen=True)
class Verdict:
    """`kind` for a colour or an icon, `sentence` for people. Plain text: class names in it are not escaped."""

    kind: Kind
    sentence: str


def matrix_difference(
    labels: NDArray[np.integer],
    baseline: NDArray[np.integer],
    candidate: NDArray[np.integer],
    classes: int,
    per: Per = "count",
) -> NDArray[np.float64]:
    """`(K, K)` candidate − baseline, in samples or in shares; NaN where either share has no samples."""
    first, second = (rates(confusion_counts(labels, run, classes), per) for run in (baseline, candidate))
    return second - first


def transitions(labels: NDArray, baseline: NDArray, candidate: NDArray) -> NDArray[np.int64]:
    """`(n,)` codes into TRANSITIONS, exactly one for every sample."""
    was, now = baseline == labels, candidate == labels
    return np.select([was & now, ~was & now, was & ~now, baseline == candidate], [0, 1, 2, 3], default=4)


def transition_table(codes: NDArray[np.int64], groups: NDArray[np.integer], count: int) -> pd.DataFrame:
    """How many samples of each group made each transition: one row per group 0 … count − 1.

    Returns:
        Columns as in TRANSITIONS, then `n`. Groups are labels for a table per class, zeros for the overall one.
    """
    size = len(TRANSITIONS)
    counts = np.bincount(groups * size + codes, minlength=count * size).reshape(count, size)
    table = pd.DataFrame(counts, columns=list(TRANSITIONS))
    table["n"] = counts.sum(axis=1)
    return table


def cell_flows(labels: NDArray, baseline: NDArray, candidate: NDArray) -> pd.DataFrame:
    """Where the samples of each cell went, largest flow first.

    Returns:
        Columns `true`, `baseline`, `candidate` (class indices), `transition` (text), `count`.
    """
    codes = transitions(labels, baseline, candidate)
    names = np.asarray(TRANSITIONS, dtype=object)
    moves = pd.DataFrame({"true": labels, "baseline": baseline, "candidate": candidate, "transition": names[codes]})
    flows = moves.groupby(list(moves.columns), sort=True).size().rename("count").reset_index()
    return flows.sort_values("count", ascending=False, kind="stable", ignore_index=True)


def paired_change(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> PairedChange:
    """The change of a `(n,)` outcome. McNemar (1947); exact as in Fagerland et al. (2013), BMC Med Res Methodol 13."""
    from scipy.stats import binomtest

    n, gained, lost = len(before), int((after & ~before).sum()), int((before & ~after).sum())
    low, high = paired_difference(gained, lost, n)
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    difference = (gained - lost) / n if n else float("nan")
    return PairedChange(n, int(before.sum()), int(after.sum()), gained, lost, difference, low, high, p)


def accuracy_change(labels: NDArray, baseline: NDArray, candidate: NDArray) -> PairedChange:
    """The change of being right, over all samples."""
    return paired_change(baseline == labels, candidate == labels)


def cell_change(labels: NDArray, baseline: NDArray, candidate: NDArray, cell: Cell) -> PairedChange:
    """The change of being taken for class `cell[1]`, over the samples of class `cell[0]`."""
    true, predicted = cell
    members = labels == true
    return paired_change(baseline[members] == predicted, candidate[members] == predicted)


def verdict(change: PairedChange, what: str, *, lower_is_better: bool = False) -> Verdict:
    """The sentence that the numbers carry: a direction only where `change.sure`.

    Args:
        what: the subject, as it begins a sentence: "Accuracy", "Dress taken for Skirt".
        lower_is_better: for a confusion.
    """
    if not change.n:
        return Verdict("empty", f"{what}: there are no samples to compare.")
    counts = (
        f"{change.before} of {change.n} ({percent(change.before / change.n)}) before, "
        f"{change.after} of {change.n} ({percent(change.after / change.n)}) after"
    )
    stricter = f" after Bonferroni for {change.tried}" if change.tried > 1 else ""
    numbers = f"{counts}; {_interval(change)}; exact McNemar p {_p(change.p)}{stricter}."
    if change.sure:
        better = (change.difference > 0) != lower_is_better
        word = "improved" if better else "got worse"
        return Verdict("better" if better else "worse", f"{what} {word}: {numbers}")
    why = "the interval includes zero" if change.low <= 0 <= change.high else "the exact test does not confirm it"
    return Verdict("undecided", f"{what}: no change can be claimed, because {why}. {numbers[0].upper()}{numbers[1:]}")


def _interval(change: PairedChange) -> str:
    difference, low, high = (points(value) for value in (change.difference, change.low, change.high))
    return f"{difference} percentage points, {100 * change.level:.3g} % interval {low} to {high}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
