"""The words for splits, cells, ways of counting and shares, so that every command, page and file says the same."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

SPLIT_WORDS = {"train": "training", "validation": "validation", "test": "test", "all": "all"}
"""How a split is called in a sentence; `all` is all of them together."""

COUNTED_AS = {"count": "Samples", "true": "% of true class", "predicted": "% of predicted class"}
"""What the numbers of a confusion matrix are: see `xai_core.triage.confusion.rates`."""

NO_NUMBER = "–"


DIRECTIONS = {1: "higher is better", -1: "lower is better", 0: "neither end is better"}


def of_split(split: str, noun: str = "samples") -> str:
    """`training samples`; of all splits together `samples` alone."""
    return noun if split == "all" else f"{SPLIT_WORDS[split]} {noun}"


def cell_name(true: str, predicted: str) -> str:
    """What the samples of a cell of the confusion matrix are, by the names of its classes."""
    return f"{true}, recognised" if true == predicted else f"{true} taken for {predicted}"


def percent(share: float, digits: int = 1) -> str:
    """`12.3 %`; a dash where there is no number."""
    return f"{_hundredths(share, digits)} %" if math.isfinite(share) else NO_NUMBER


def percent_range(low: float, high: float, digits: int = 1) -> str:
    """`10.1 to 14.0 %`; "" where there is no interval."""
    known = math.isfinite(low) and math.isfinite(high)
    return f"{_hundredths(low, digits)} to {percent(high, digits)}" if known else ""


def _hundredths(share: float, digits: int) -> str:
    """A share times 100. What lies in the middle goes up, as in the tables that a browser draws: 81.25 is 81.3."""
    return f"{Decimal(float(100 * share)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):f}"


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign: `+1.2`, `−0.4`, `0`; a dash where there is none.

    One decimal, but never +0.0 for what is not zero: a bound's sign is the point.
    """
    if not math.isfinite(share):
        return NO_NUMBER
    shown = f"{'' if share < 0 else '+'}{_hundredths(share, 1)}"
    if float(shown) == 0:
        shown = f"{100 * share:+.1g}" if share else "0"
    return shown.replace("-", "−")


def points_range(low: float, high: float) -> str:
    """An interval of a difference of shares in percentage points: `−0.4 to +1.2`."""
    return f"{points(low)} to {points(high)}"


def duration(seconds: float) -> str:
    """A time in the unit that a person would use: `40 s`, `3 min`, `2 h`."""
    if round(seconds) < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if round(seconds) < 5400 else f"{round(seconds / 3600)} h"


def seconds_left(seconds: float) -> str:
    """How long work will take still: `40 s left`."""
    return f"{duration(seconds) if round(seconds) else '0 s'} left"


def reading(unit: str, direction: int) -> str:
    """How a value of a metric is read: `share, 0…1; higher is better`; "" for what is no metric."""
    return f"{unit}; {DIRECTIONS[direction]}" if unit else ""


def with_truth(value: float | None) -> str:
    """`On drawn garments it orders methods as the truth does with τ = +0.79 (…).`; "" where it was not measured."""
    if value is None:
        return ""
    shown = f"{value:+.2f}".replace("-", "−")
    return f"Where the truth is known (drawn garments, 8 methods) it orders methods with τ = {shown}; 1 is the truth."
