"""How soon the class is there when what the map marks is shown first (Petsiuk et al. 2018, RISE)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import no_evidence
from xai_core.metrics.hiding import STEPS, area, fill_param, hidden_step_by_step, score_param, unless
from xai_core.params import param
from xai_core.types import Card, Scores


@dataclass(frozen=True)
class InsertionParams:
    """Of insertion."""

    steps: int = param(STEPS, help="into how many the picture is divided", low=2, high=1000)
    fill: str = fill_param("blur")
    score: str = score_param("probability")


@metric(
    Card(
        key="insertion",
        title="Insertion",
        summary="How soon is the class there when what the map marks is shown first? The area under its probability.",
        blind_spot="A blurred picture may show enough from the start; a picture shown in part is one the model has "
        "never seen.",
        paper="Petsiuk, Das and Saenko 2018, RISE: Randomized Input Sampling for Explanation of Black-box Models, "
        "section 3.3",
        needs=frozenset({"model"}),
        cost=STEPS + 1.0,
        aspect="faithfulness",
        agreement=0.82,
        direction=1,
        unit="mean probability, 0…1",
        scale_free=True,
        curve="share of the picture that is shown",
    ),
    InsertionParams,
)
def insertion(given: MetricInput, params: InsertionParams) -> Scores:
    """Area under the probability against the share of pixels shown, both ends included, by trapezoids.

    As `deletion`, from the other end: what the map marks least is hidden first, and the curve read backwards. Beside it
    `whole`, what the whole picture gets.
    """
    reasons = no_evidence(given.evidence)
    found, hidden = hidden_step_by_step(given.model, given.order[:, ::-1], params.fill, params.steps, params.score)
    curves, shares = found[:, ::-1], 1 - hidden[::-1]
    beside = {"whole": curves[:, -1].astype(np.float32)}
    return Scores(unless(area(curves, shares), reasons), reasons, unless(curves, reasons), beside)
