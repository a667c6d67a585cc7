"""Is the evidence in few places? The entropy of a map (Bhatt et al. 2020)."""

from __future__ import annotations

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.hiding import unless
from xai_core.metrics.spread import SpreadParams, magnitudes
from xai_core.types import Card, Scores


@metric(
    Card(
        key="complexity",
        title="Complexity",
        summary="Over how many places is the evidence spread? The entropy of the map's magnitudes.",
        blind_spot="Whether they are the right places. Fine maps score lower than coarse ones: compare methods of "
        "different resolution at one side.",
        paper="Bhatt, Weller and Moura 2020, Evaluating and Aggregating Feature-based Model Explanations, section 3.3",
        aspect="complexity",
        agreement=0.43,
        direction=-1,
        unit="share of the largest entropy, 0 (one place alone) … 1 (everywhere alike)",
        scale_free=True,
    ),
    SpreadParams,
)
def complexity(given: MetricInput, params: SpreadParams) -> Scores:
    """−Σ p ln p ÷ ln n, with p the magnitudes of n places as shares of their sum. (The paper does not divide.)"""
    sizes, total, reasons = magnitudes(given, params)
    shares = np.divide(sizes, total, out=np.zeros_like(sizes), where=total > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logs).sum(axis=1) / np.log(sizes.shape[1])
    return Scores(unless(entropy.clip(0, 1), reasons), reasons)
