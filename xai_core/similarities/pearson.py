"""Are two maps the same up to a scale and an offset?"""

from __future__ import annotations

from xai_core.similarities.base import Described, description
from xai_core.similarities.rows import deviations, rows_of
from xai_core.types import Array, Card


@description(
    Card(
        key="pearson",
        title="Pearson",
        summary="Linear correlation of pixels.",
        blind_spot="A few extreme pixels decide it.",
        signed=True,
        direction=1,
    )
)
def pearson(maps: Array) -> Described:
    """Cov(a, b) / (σ_a σ_b); −1…1."""
    return deviations(rows_of(maps))
