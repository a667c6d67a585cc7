"""What the class's probability loses when only what the map marks is seen (Chattopadhay et al. 2018, Grad-CAM++)."""

from __future__ import annotations

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.hiding import unless
from xai_core.metrics.through_map import ThroughParams, through_map
from xai_core.types import Card, Scores


@metric(
    Card(
        key="average-drop",
        title="Average drop",
        summary="The share of the class's probability that is lost when only what the map marks is seen.",
        blind_spot="A map that marks everything loses nothing; a picture seen in part is one the model has never seen.",
        paper="Chattopadhay, Sarkar, Howlader and Balasubramanian 2018, Grad-CAM++, section 5.1",
        needs=frozenset({"model"}),
        cost=2.0,
        aspect="faithfulness",
        agreement=-0.36,
        direction=-1,
        unit="share of the probability, 0…1",
        scale_free=True,
    ),
    ThroughParams,
)
def average_drop(given: MetricInput, params: ThroughParams) -> Scores:
    """max(0, Y − O) ÷ Y: the probability Y of the picture, O of what the map shows of it (`through_map`).

    Beside it `probability` Y and `seen` O.
    """
    found = through_map(given, params)
    whole, pairs = found.whole, zip(found.reasons, found.whole, strict=True)
    reasons = tuple(reason or (None if each > 0 else "the probability is 0") for reason, each in pairs)
    drop = np.divide(np.maximum(whole - found.seen, 0), whole, out=np.zeros_like(whole), where=whole > 0)
    return Scores(unless(drop, reasons), reasons, beside=found.beside(reasons))
