"""What methods say of their own maps, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xai_core.words import percent

CONSERVED_WITHIN = 0.02
_COMPLETE_WITHIN = 0.05
_MOSTLY = 0.5
_CHANCE = 3.0
"""How many standard errors a random estimate may be off before something else must be the cause."""


@dataclass(frozen=True)
class Note:
    """A short line under a map, explained on hovering; `odd` where a person should look twice."""

    text: str
    title: str
    odd: bool = False


def notes(diagnostics: Mapping[str, float]) -> list[Note]:
    """A line for each diagnostic that has a meaning by itself; the others are left out."""
    found = []
    if "conservation" in diagnostics:
        found.append(_conservation(diagnostics["conservation"]))
    if "constant_share" in diagnostics:
        found.append(_constant(diagnostics["constant_share"]))
    if {"sum", "expected_difference", "sum_error"} <= set(diagnostics):
        found.append(_sum(diagnostics["sum"], diagnostics["expected_difference"], diagnostics["sum_error"]))
    elif "completeness_gap" in diagnostics:
        found.append(_gap(diagnostics["completeness_gap"]))
    return found


def _conservation(ratio: float) -> Note:
    title = (
        "The share of the model's output that arrives at the pixels. 100 % is ideal; a map that is more than 10 % off "
        "is not shown."
    )
    return Note(f"conservation {percent(ratio)}", title, odd=abs(ratio - 1) > CONSERVED_WITHIN)


def _constant(share: float) -> Note:
    title = (
        "The share of the model's output that its class token holds. It belongs to no pixel, and the map lacks it: the "
        "nearer to 100 %, the less this map says."
    )
    return Note(f"class token {percent(share, 0)}", title, odd=abs(share) > _MOSTLY)


def _sum(total: float, expected: float, error: float) -> Note:
    title = (
        "The map's sum, and what it should be: how far the output is from its mean over the background. The map is a "
        "random estimate; ± is the standard error of its sum. More samples make it smaller."
    )
    text = f"sum {total:.2f} ± {error:.2f}, ideally {expected:.2f}"
    return Note(text, title, odd=abs(total - expected) > _CHANCE * error)


def _gap(gap: float) -> Note:
    title = (
        "How far the map's sum is from the change of the output that it should add up to. 0 % is ideal; more steps or "
        "samples make it smaller."
    )
    return Note(f"completeness gap {percent(gap)}", title, odd=gap > _COMPLETE_WITHIN)


def caution(diagnostics: Mapping[str, float]) -> str | None:
    """What to know before a map is trusted; None where there is nothing."""
    ratio = diagnostics.get("conservation")
    if ratio is None or abs(ratio - 1) <= CONSERVED_WITHIN:
        return None
    return f"Relevance is not conserved: {percent(ratio, 0)} of the output arrives at the input (100 % is ideal)."
