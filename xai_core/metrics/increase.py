"""Is the model more certain when only what the map marks is seen? (Chattopadhay et al. 2018, Grad-CAM++)."""

from __future__ import annotations

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.hiding import unless
from xai_core.metrics.through_map import ThroughParams, through_map
from xai_core.types import Card, Scores

ROUNDING = 1e-6
"""A probability that rises by less has not: the same picture differs by that much in another batch."""


@metric(
    Card(
        key="increase",
        title="Increase in confidence",
        summary="Is the class more probable when only what the map marks is seen?",
        blind_spot="By how much; and what is certain already cannot rise.",
        paper="Chattopadhay, Sarkar, Howlader and Balasubramanian 2018, Grad-CAM++, section 5.1",
        needs=frozenset({"model"}),
        cost=2.0,
        aspect="faithfulness",
        agreement=-0.72,
        direction=1,
        unit="1 it is, 0 it is not",
        scale_free=True,
    ),
    ThroughParams,
)
def increase(given: MetricInput, params: ThroughParams) -> Scores:
    """1 where O > Y, else 0; both as in `average-drop`. Its mean is the share of samples that the paper reports."""
    found = through_map(given, params)
    rises = (found.seen > found.whole + ROUNDING).astype(np.float64)
    return Scores(unless(rises, found.reasons), found.reasons, beside=found.beside(found.reasons))
