"""Do two maps find the same pixels important, whichever way these count?"""

from __future__ import annotations

import numpy as np

from xai_core.similarities.base import Described, description
from xai_core.similarities.rows import ADEBAYO, deviations, ranks, rows_of
from xai_core.types import Array, Card


@description(
    Card(
        key="spearman-absolute",
        title="Spearman (absolute)",
        summary="Rank correlation of absolute values: do both maps find the same pixels important?",
        blind_spot="High for any two maps that follow the picture's edges, whatever the model learned.",
        paper=ADEBAYO,
        direction=1,
    )
)
def spearman_absolute(maps: Array) -> Described:
    """Pearson's correlation of the ranks of |a| and |b|, ties averaged; −1…1."""
    return deviations(ranks(rows_of(np.abs(maps))))
