"""How did single heatmaps shift between two runs? Three numbers a sample, and those that moved most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.lines import table
from xai_core.similarities import SIMILARITIES
from xai_core.triage.aggregates import centres_of_mass
from xai_core.triage.intervals import Estimate, bootstrap_mean
from xai_core.types import Array
from xai_core.words import percent

Values = NDArray[np.float64]
LISTED = 10
"""Samples that moved most, on a page and in a terminal."""
HEADS = ("Moved most", "Became", "Spearman", "Cosine", "Centre moved by", "On the object")
HINTS = (
    "The lowest rank correlation first",
    "",
    "Of the places of the picture, by their evidence",
    "Of the positive evidence: 1 the same, 0 nothing in common",
    "Distance of the centres of positive evidence, in shares of the picture's sides",
    "Share of the positive evidence that lies on the mask, before and after",
)
_DIGITS = 4


@dataclass(frozen=True)
class Shift:
    """Of n samples `(n,)` each; NaN where there is no number.

    Attributes:
        spearman: rank correlation of the places of the picture.
        cosine: of the positive evidence, 0…1.
        centre: distance of the centres of positive evidence, in shares of the picture's sides.
    """

    spearman: Values
    cosine: Values
    centre: Values

    def most(self) -> NDArray[np.int64]:
        """Places of the LISTED samples whose maps are least alike, the least first."""
        order = np.argsort(self.spearman, kind="stable")  # NaN comes last
        return order[np.isfinite(self.spearman[order])][:LISTED]

    def as_json(self, place: int) -> dict[str, float]:
        """Of one sample."""
        return {name: round(float(values[place]), _DIGITS) for name, values in vars(self).items()}

    def sentence(self, seed: int) -> str:
        """The means of cosine and centre with their intervals; "" where there are none."""
        cosine, centre = (bootstrap_mean(each[np.isfinite(each)], seed=seed) for each in (self.cosine, self.centre))
        if not cosine.n:
            return ""
        words = f"Cosine of the positive evidence: {_mean(cosine)} in the mean."
        return f"{words} Its centre moved, in shares of the picture's side, by {_mean(centre)}."


@dataclass(frozen=True)
class Moved:
    """One of the samples that moved most.

    Attributes:
        row: its row number.
        id: its name in the study.
        became: its transition.
        numbers: as `Shift.as_json` gives them.
        on_object: share of the evidence on the mask before and after; NaN without a mask or a score.
    """

    row: int
    id: str
    became: str
    numbers: dict[str, float]
    on_object: tuple[float, float]

    @property
    def line(self) -> tuple[str, ...]:
        """As HEADS name it."""
        one = self.numbers
        before, after = (percent(each) if np.isfinite(each) else "–" for each in self.on_object)
        known = any(np.isfinite(each) for each in self.on_object)
        middle = (_two(one["spearman"]), _two(one["cosine"]), _two(one["centre"]).lstrip("+"))
        return self.id, self.became, *middle, f"{before} → {after}" if known else "no mask"

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        before, after = (round(each, _DIGITS) for each in self.on_object)
        about = {"id": self.id, "transition": self.became, **self.numbers}
        return about | {"on_object": {"before": before, "after": after}, "line": list(self.line)}


def shift(before: Array, after: Array, comparable: NDArray[np.bool_]) -> Shift:
    """Of `(n, s, s)` positive evidence before and after; of samples that are not comparable there is nothing."""
    measured = [SIMILARITIES[name].compare(before, after).astype(float) for name in ("spearman", "cosine")]
    centres = [centres_of_mass(each) for each in (before, after)]
    measured.append(np.sqrt(((centres[1] - centres[0]) ** 2).sum(axis=1)))
    return Shift(*(np.where(comparable, values, np.nan) for values in measured))


def most_moved_table(lines: Sequence[Sequence[str]]) -> str:
    """For a terminal."""
    return table([HEADS, *(tuple(line) for line in lines)], right=(2, 3, 4, 5))


def _mean(found: Estimate) -> str:
    low, high = float(found.low), float(found.high)
    span = f"95 % interval {low:.2f} to {high:.2f}, " if np.isfinite(low) else ""
    return f"{float(found.value):.2f} ({span}n = {found.n:,})"


def _two(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−") if np.isfinite(value) else "–"
