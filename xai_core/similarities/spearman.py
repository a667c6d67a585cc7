"""Do two maps order the places of a picture alike?"""

from __future__ import annotations

from xai_core.similarities.base import Described, description
from xai_core.similarities.rows import ADEBAYO, deviations, ranks, rows_of
from xai_core.types import Array, Card


@description(
    Card(
        key="spearman",
        title="Spearman (signed)",
        summary="Rank correlation of pixels: do both maps order them alike, evidence for to evidence against?",
        blind_spot="Blind to how far apart values are; a map and its negative score -1 though they share all edges.",
        paper=ADEBAYO,
        signed=True,
        direction=1,
    )
)
def spearman(maps: Array) -> Described:
    """Pearson's correlation of ranks, ties averaged; −1…1."""
    return deviations(ranks(rows_of(maps)))
