"""Is the evidence in few places? The Gini index of a map (Chalasani et al. 2020; Hurley and Rickard 2009)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import magnitude, pooled
from xai_core.params import param
from xai_core.types import Card, Scores


@dataclass(frozen=True)
class SparsenessParams:
    """Of sparseness."""

    side: int = param(
        0, help="places along each side when maps are compared; 0: as they are", low=0, high=512, unit="pixels"
    )


@metric(
    Card(
        key="sparseness",
        title="Sparseness",
        summary="Is the evidence in few places? The Gini index of the map's magnitudes.",
        blind_spot="Whether they are the right places. Fine maps score higher than coarse ones: compare methods of "
        "different resolution at one side.",
        paper="Chalasani et al. 2020, Concise Explanations of Neural Networks using Adversarial Training, section 3; "
        "Hurley and Rickard 2009, Comparing Measures of Sparsity, table I",
        aspect="complexity",
        agreement=0.5,
        direction=1,
        unit="Gini index, 0 (everywhere alike) … 1 (one place alone)",
        scale_free=True,
    ),
    SparsenessParams,
)
def sparseness(given: MetricInput, params: SparsenessParams) -> Scores:
    """1 − 2 Σ_k a_k/‖a‖₁ · (n − k + ½)/n, with the n magnitudes a_1 ≤ … ≤ a_n."""
    sizes = magnitude(given.maps, signed=given.explainer.signed)
    if params.side:
        sizes = pooled(sizes, params.side)
    rows = np.sort(sizes.reshape(len(sizes), -1).astype(np.float64), axis=1)
    count = rows.shape[1]
    ranks = (count - np.arange(1, count + 1) + 0.5) / count
    total = rows.sum(1)
    gini = np.full(len(rows), np.nan)
    np.divide(rows @ ranks, total, out=gini, where=total > 0)
    reasons = tuple(None if each > 0 else "no evidence" for each in total)
    return Scores((1 - 2 * gini).clip(0, 1).astype(np.float32), reasons)
