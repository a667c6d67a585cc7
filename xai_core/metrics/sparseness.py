"""Is the evidence in few places? The Gini index of a map (Chalasani et al. 2020; Hurley and Rickard 2009)."""

from __future__ import annotations

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.spread import SpreadParams, magnitudes
from xai_core.types import Card, Scores


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
    SpreadParams,
)
def sparseness(given: MetricInput, params: SpreadParams) -> Scores:
    """1 − 2 Σ_k a_k/‖a‖₁ · (n − k + ½)/n, with the n magnitudes a_1 ≤ … ≤ a_n."""
    sizes, total, reasons = magnitudes(given, params)
    count = sizes.shape[1]
    ranks = (count - np.arange(1, count + 1) + 0.5) / count
    weighted = np.sort(sizes, axis=1) @ ranks[:, None]
    gini = np.divide(weighted, total, out=np.full_like(total, np.nan), where=total > 0)[:, 0]
    return Scores((1 - 2 * gini).clip(0, 1).astype(np.float32), reasons)
