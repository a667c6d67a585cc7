"""Are two maps the same up to a scale and an offset?"""

from __future__ import annotations

from xai_core.similarities.base import similarity
from xai_core.similarities.rows import correlation, flat
from xai_core.types import Array, Card


@similarity(
    Card(
        key="pearson",
        title="Pearson",
        summary="Linear correlation of pixels.",
        blind_spot="A few extreme pixels decide it.",
        signed=True,
        direction=1,
    )
)
def pearson(a: Array, b: Array) -> Array:
    """Cov(a, b) / (σ_a σ_b); −1…1."""
    return correlation(*flat(a, b))
