"""What methods say of their own maps, in words."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.evidence import CONSERVED_WITHIN
from dashboard.widgets.heat_grid import Note

_COMPLETE_WITHIN = 0.05


def notes(diagnostics: Mapping[str, float]) -> list[Note]:
    """A line for each diagnostic that has a meaning by itself; the others are left out."""
    found = []
    if "conservation" in diagnostics:
        found.append(_conservation(diagnostics["conservation"]))
    if "completeness_gap" in diagnostics:
        found.append(_gap(diagnostics["completeness_gap"]))
    return found


def _conservation(ratio: float) -> Note:
    title = (
        "The share of the model's output that arrives at the pixels. 100 % is ideal; a map that is more than 10 % off "
        "is not shown."
    )
    return Note(f"conservation {ratio:.1%}".replace("%", " %"), title, odd=abs(ratio - 1) > CONSERVED_WITHIN)


def _gap(gap: float) -> Note:
    title = (
        "How far the map's sum is from the change of the output that it should add up to. 0 % is ideal; more steps or "
        "samples make it smaller."
    )
    return Note(f"completeness gap {gap:.1%}".replace("%", " %"), title, odd=gap > _COMPLETE_WITHIN)
