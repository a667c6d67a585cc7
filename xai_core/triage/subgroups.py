"""Groups of samples, class × attribute: how good a run is on each, on the worst of them, and what a fix did to it.

The worst of many groups is chosen after looking, so its own interval would promise too much. The intervals here hold
for all groups at once (Bonferroni over Wilson's), and so for whichever is the worst: its true accuracy lies between the
smallest lower and the smallest upper bound. Groups of fewer than LEAST samples say nothing and are not among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from xai_core.triage.compare import PairedChange, Verdict, paired_change
from xai_core.triage.intervals import LEVEL, wilson
from xai_core.words import percent, points, points_range

Whole = NDArray[np.int64]

LEAST = 10
"""Samples below which nothing is said of a group: between none and all right, an interval would hold almost all."""


@dataclass(frozen=True)
class Subgroup:
    """One group that has samples.

    Attributes:
        label, attribute: its class and its value of the attribute.
        n, right: samples, and how many of them are right.
        accuracy, low, high: share of right ones and its own 95 % interval (Wilson).
        counted: whether it has the LEAST samples, and may be the worst.
    """

    label: int
    attribute: int
    n: int
    right: int
    accuracy: float
    low: float
    high: float
    counted: bool

    @property
    def key(self) -> tuple[int, int]:
        """Class and value."""
        return self.label, self.attribute


@dataclass(frozen=True)
class WorstGroup:
    """A run on all groups. NaN where no group counts.

    Attributes:
        groups: those with samples, the worst first; those that do not count at the end.
        mean: share of right samples over all of them.
        accuracy, low, high: of the worst that counts, with an interval that allows for its having been chosen.
        gap, gap_low, gap_high: `mean` − `accuracy`, likewise.
        unknown: samples whose attribute is not known, which are in no group.
    """

    groups: tuple[Subgroup, ...]
    mean: float
    accuracy: float
    low: float
    high: float
    gap: float
    gap_low: float
    gap_high: float
    unknown: int = 0

    @property
    def worst(self) -> Subgroup | None:
        """The worst group that counts."""
        return self.groups[0] if self.groups and self.groups[0].counted else None

    @property
    def counted(self) -> tuple[Subgroup, ...]:
        """The groups that count."""
        return tuple(group for group in self.groups if group.counted)


def worst_group(labels: Whole, predicted: Whole, attributes: Whole) -> WorstGroup:
    """Of `(n,)` labels, predicted classes and values of the attribute (−1: not known)."""
    known = attributes >= 0
    labels, predicted, attributes = labels[known], predicted[known], attributes[known]
    groups, n = _groups(labels, predicted, attributes), len(labels)
    right = int((labels == predicted).sum())
    mean, counted = right / n if n else float("nan"), [group for group in groups if group.counted]
    unknown = int((~known).sum())
    if not counted:
        nan = float("nan")
        return WorstGroup(groups, mean, nan, nan, nan, nan, nan, nan, unknown)
    low, high = bounds([group.right for group in counted], [group.n for group in counted], len(counted) + 1)
    mean_low, mean_high = bounds([right], [n], len(counted) + 1)
    worst, lowest, highest = counted[0].accuracy, float(low.min()), float(high.min())
    gap = mean - worst, float(mean_low[0]) - highest, float(mean_high[0]) - lowest
    return WorstGroup(groups, mean, worst, lowest, highest, *gap, unknown)


def bounds(right: list[int], n: list[int], family: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson bounds of shares that, with `family` of them, all hold at once in LEVEL of cases (Bonferroni)."""
    return wilson(right, n, NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * family)))


def _groups(labels: Whole, predicted: Whole, attributes: Whole) -> tuple[Subgroup, ...]:
    found = []
    for label, attribute in sorted({*zip(labels.tolist(), attributes.tolist(), strict=True)}):
        inside = (labels == label) & (attributes == attribute)
        n, right = int(inside.sum()), int((predicted[inside] == label).sum())
        low, high = (float(bound) for bound in wilson(right, n))
        found.append(Subgroup(label, attribute, n, right, right / n, low, high, n >= LEAST))
    return tuple(sorted(found, key=lambda group: (not group.counted, group.accuracy, -group.n)))


@dataclass(frozen=True)
class GroupChange:
    """One group under both runs; `p` in `change` is multiplied by the number of groups."""

    label: int
    attribute: int
    change: PairedChange
    counted: bool


@dataclass(frozen=True)
class WorstChange:
    """What a fix did to the worst group, which may be another one after it.

    Attributes:
        before, after: both runs on the same samples.
        difference, low, high: of the worst groups' accuracies, with an interval that allows for their choice.
        groups: what became of each group.
        verdict: what may be said.
    """

    before: WorstGroup
    after: WorstGroup
    difference: float
    low: float
    high: float
    groups: tuple[GroupChange, ...]
    verdict: Verdict


def worst_change(labels: Whole, before: Whole, after: Whole, attributes: Whole) -> WorstChange:
    """Of `(n,)` labels, both runs' predicted classes, and values of the attribute (−1: not known)."""
    first, second = (worst_group(labels, predicted, attributes) for predicted in (before, after))
    changes = _changes(labels, before, after, attributes, first)
    if first.worst is None:
        nan = float("nan")
        return WorstChange(first, second, nan, nan, nan, changes, Verdict("empty", _too_small()))
    low, high = [], []
    for found in (first, second):
        counts = [group.right for group in found.counted], [group.n for group in found.counted]
        least, most = bounds(*counts, 2 * len(found.counted))
        low.append(float(least.min()))
        high.append(float(most.min()))
    between = second.accuracy - first.accuracy, low[1] - high[0], high[1] - low[0]
    return WorstChange(first, second, *between, changes, _verdict(first, second, *between))


def _changes(
    labels: Whole, before: Whole, after: Whole, attributes: Whole, first: WorstGroup
) -> tuple[GroupChange, ...]:
    found, count = [], max(1, len(first.counted))
    for group in first.groups:
        inside = (labels == group.label) & (attributes == group.attribute)
        change = paired_change(before[inside] == group.label, after[inside] == group.label)
        corrected = PairedChange(**{**vars(change), "p": min(1.0, change.p * count)})
        found.append(GroupChange(*group.key, corrected, group.counted))
    return tuple(found)


def _too_small() -> str:
    return f"Worst group: every group has fewer than {LEAST} samples, too few to say."


def _verdict(before: WorstGroup, after: WorstGroup, difference: float, low: float, high: float) -> Verdict:
    shares = f"{percent(before.accuracy)} before, {percent(after.accuracy)} after"
    interval = f"{points(difference)} percentage points, 95 % interval {points_range(low, high)}"
    numbers = f"{shares}; {interval}, which allows for choosing the worst of {len(before.counted)} groups."
    if low > 0 or high < 0:
        word: tuple[str, str] = ("better", "improved") if low > 0 else ("worse", "got worse")
        return Verdict("better" if low > 0 else "worse", f"Accuracy of the worst group {word[1]}: {numbers}")
    why = "no change can be claimed, because the interval includes zero."
    return Verdict("undecided", f"Accuracy of the worst group: {why} {numbers[0].upper()}{numbers[1:]}")
