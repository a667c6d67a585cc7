"""Is one thing taken for another less often by a second segmenter? A cell of the confusion in pixels, of two runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.triage.compare import CAVEATS
from xai_core.triage.confusion import Cell
from xai_core.triage.intervals import Estimate
from xai_core.triage.segments import share_changed
from xai_core.words import cell_name, percent, points, points_range

UNDECIDED = "no change can be claimed"


@dataclass(frozen=True)
class CellChange:
    """A cell of two runs on the same n pictures.

    Attributes:
        cell: (true class, predicted class).
        names: of the classes.
        before, after: `(n,)` pixels of each picture that are in the cell.
        of: `(n,)` pixels of each picture that are of the true class.
        seed: of the study, for the draws of the interval.
    """

    cell: Cell
    names: tuple[str, ...]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    of: NDArray[np.int64]
    seed: int

    @property
    def title(self) -> str:
        """What the cell is called."""
        return cell_name(self.names[self.cell[0]], self.names[self.cell[1]])

    @cached_property
    def change(self) -> Estimate:
        """Of the share of the true class's pixels, after minus before; NaN where no picture shows it."""
        return share_changed(self.before, self.after, self.of, self.seed)

    @property
    def sentence(self) -> str:
        """What may be said of it."""
        true, pixels = self.names[self.cell[0]], int(self.of.sum())
        if not pixels:
            return f"{self.title}: no picture shows {true}."
        before, after = (float(each.sum() / pixels) for each in (self.before, self.after))
        verdict = verdict_of(self.change, lower_is_better=self.cell[0] != self.cell[1])
        on = f"of the {pixels:,} pixels of {true} in {int((self.of > 0).sum()):,} of {len(self.of):,} pictures"
        return f"{self.title}: {verdict}. {change_words(before, after, self.change)}, {on}."

    @property
    def note(self) -> str:
        """What must be known before it is believed."""
        return CAVEATS[1]

    def most(self, rows: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Of `rows (n,)` those whose pixels in the cell changed most, and by how many; unchanged ones are left out."""
        moved = self.after - self.before
        return [(int(rows[at]), int(moved[at])) for at in np.argsort(-np.abs(moved), kind="stable") if moved[at]]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "true": self.names[self.cell[0]],
            "predicted": self.names[self.cell[1]],
            "before": int(self.before.sum()),
            "after": int(self.after.sum()),
            "of": int(self.of.sum()),
            "n": len(self.of),
            "change": bounds(self.change),
            "sentence": self.sentence,
            "note": self.note,
        }


def verdict_of(change: Estimate, *, lower_is_better: bool = False) -> str:
    """`improved`, `got worse`, or UNDECIDED: of one number."""
    low, high = float(change.low), float(change.high)
    if low > 0 or high < 0:
        return "improved" if (low > 0) != lower_is_better else "got worse"
    return UNDECIDED


def change_words(before: float, after: float, change: Estimate, *, tried: int = 1) -> str:
    """Both values, and the difference with its interval, which holds together with those of all that are `tried`."""
    low, high = float(change.low), float(change.high)
    together = f", Bonferroni's of {tried}" if tried > 1 else ""
    interval = f", 95 % interval {points_range(low, high)} over pictures{together}" if np.isfinite(low) else ""
    both = f"{percent(before)} before, {percent(after)} after"
    return f"{both}; {points(float(change.value))} percentage points{interval}"


def bounds(estimate: Estimate, at: int | None = None) -> dict[str, float]:
    """Value and interval, of one class or of the whole."""
    found = (each if at is None else each[at] for each in (estimate.value, estimate.low, estimate.high))
    return dict(zip(("value", "low", "high"), map(float, found), strict=True))
