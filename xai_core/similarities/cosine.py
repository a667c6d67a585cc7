"""Do two maps point the same way?"""

from __future__ import annotations

from xai_core.similarities.base import Described, description
from xai_core.similarities.rows import directions, rows_of
from xai_core.types import Array, Card


@description(
    Card(
        key="cosine",
        title="Cosine",
        summary="Cosine of the angle between two maps: is the evidence in the same places, with the same sign?",
        blind_spot="A few extreme pixels decide it; two maps of one sign are never far apart.",
        signed=True,
        direction=1,
    )
)
def cosine(maps: Array) -> Described:
    """a·b / (|a| |b|); −1…1."""
    return directions(rows_of(maps))
