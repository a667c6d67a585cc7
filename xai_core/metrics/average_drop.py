"""What the class's probability loses when only what the map marks is seen (Chattopadhay et al. 2018, Grad-CAM++)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import no_evidence, positive
from xai_core.metrics.hiding import fill_param, seen_through, unless
from xai_core.types import Card, Scores


@dataclass(frozen=True)
class DropParams:
    """Of average drop."""

    fill: str = fill_param("black")


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
    DropParams,
)
def average_drop(given: MetricInput, params: DropParams) -> Scores:
    """max(0, Y − O) ÷ Y: the probability Y of the picture, O of fill + m·(picture − fill).

    m is the rectified map on the input's grid, divided by its maximum. Black as fill multiplies the picture's pixels,
    as the paper does. Beside it `probability` Y and `seen` O.
    """
    evidence = positive(given.maps, given.size)
    whole, seen = seen_through(given.model, evidence, params.fill)
    pairs = zip(no_evidence(evidence), whole, strict=True)
    reasons = tuple(reason or (None if each > 0 else "the probability is 0") for reason, each in pairs)
    drop = np.divide(np.maximum(whole - seen, 0), whole, out=np.zeros_like(whole), where=whole > 0)
    beside = {"probability": whole.astype(np.float32), "seen": unless(seen, reasons)}
    return Scores(unless(drop, reasons), reasons, beside=beside)
