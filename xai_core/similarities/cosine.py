"""Do two maps point the same way?"""

from __future__ import annotations

import numpy as np

from xai_core.similarities.base import similarity
from xai_core.similarities.rows import flat
from xai_core.types import Array, Card


@similarity(
    Card(
        key="cosine",
        title="Cosine",
        summary="Cosine of the angle between two maps: is the evidence in the same places, with the same sign?",
        blind_spot="A few extreme pixels decide it; two maps of one sign are never far apart.",
        signed=True,
        direction=1,
    )
)
def cosine(a: Array, b: Array) -> Array:
    """a·b / (|a| |b|); −1…1."""
    first, second = flat(a, b)
    result = np.full(len(a), np.nan)
    usable = (np.ptp(first, axis=1) > 0) & (np.ptp(second, axis=1) > 0)
    first, second = (rows[usable] / np.linalg.norm(rows[usable], axis=1, keepdims=True) for rows in (first, second))
    result[usable] = (first * second).sum(1)
    return result.clip(-1, 1).astype(np.float32)
