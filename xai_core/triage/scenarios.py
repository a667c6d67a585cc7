"""Two runs on many parts of the same samples (a class, a tag, a size of object): in which did accuracy change?

Of many parts some change by chance. With m of them each interval is made for 1 − 0.05 / m and each p is multiplied by m
(Bonferroni), so that all intervals hold at once in 95 % of cases. Parts may overlap: the bound does not mind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from xai_core.triage.compare import PairedChange, paired_change
from xai_core.triage.intervals import LEVEL, paired_difference, wilson
from xai_core.triage.subgroups import LEAST

Bounds = tuple[float, float]


@dataclass(frozen=True)
class PartChange:
    """Accuracy of two runs on one part.

    Attributes:
        change: being right; its interval and p allow for all parts that were tried, where the part counts.
        before, after: bounds of each run's accuracy, by itself (Wilson, 95 %).
        counted: whether it has the LEAST samples; of others nothing is said.
    """

    change: PairedChange
    before: Bounds
    after: Bounds
    counted: bool

    @property
    def sure(self) -> bool:
        """Whether a change may be claimed."""
        return self.counted and self.change.sure


def part_changes(
    right_before: NDArray[np.bool_], right_after: NDArray[np.bool_], parts: Sequence[NDArray[np.bool_]]
) -> list[PartChange]:
    """Of `(n,)` outcomes under both runs, on parts that are given by who belongs to them, `(n,)` each."""
    found = [paired_change(right_before[part], right_after[part]) for part in parts]
    tried = max(1, sum(change.n >= LEAST for change in found))
    return [_part(change, tried) for change in found]


def corrected(change: PairedChange, tried: int) -> PairedChange:
    """One of `tried` changes that were looked at: its interval made for 1 − 0.05 / tried, its p times `tried`."""
    tried = max(1, tried)
    z = NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * tried))
    low, high = paired_difference(change.gained, change.lost, change.n, z)
    return replace(change, low=low, high=high, p=min(1.0, change.p * tried), tried=tried)


def _part(change: PairedChange, tried: int) -> PartChange:
    counted = change.n >= LEAST
    if counted:
        change = corrected(change, tried)
    sides = [tuple(float(bound) for bound in wilson(count, change.n)) for count in (change.before, change.after)]
    (before_low, before_high), (after_low, after_high) = sides
    return PartChange(change, (before_low, before_high), (after_low, after_high), counted)
