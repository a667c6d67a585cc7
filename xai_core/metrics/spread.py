"""What metrics share that ask in how many places the evidence is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.metrics.base import MetricInput
from xai_core.metrics.grids import magnitude, pooled
from xai_core.metrics.hiding import Float
from xai_core.params import param


@dataclass(frozen=True)
class SpreadParams:
    """At which resolution maps are compared."""

    side: int = param(
        0, help="places along each side when maps are compared; 0: as they are", low=0, high=512, unit="pixels"
    )


def magnitudes(given: MetricInput, params: SpreadParams) -> tuple[Float, Float, tuple[str | None, ...]]:
    """`(N, n)` how much each of n places counts, their sums `(N, 1)`, and why maps are not scored that add up to 0."""
    sizes = magnitude(given.maps, signed=given.explainer.signed)
    if params.side:
        sizes = pooled(sizes, params.side)
    rows = sizes.reshape(len(sizes), -1).astype(np.float64)
    total = rows.sum(axis=1, keepdims=True)
    return rows, total, tuple(None if each > 0 else "no evidence" for each in total[:, 0])
