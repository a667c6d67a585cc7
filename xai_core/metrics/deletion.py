"""How soon the class is gone when what the map marks is hidden first (Petsiuk et al. 2018, RISE)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import no_evidence
from xai_core.metrics.hiding import STEPS, area, fill_param, hidden_step_by_step, score_param, unless
from xai_core.params import param
from xai_core.types import Card, Scores


@dataclass(frozen=True)
class DeletionParams:
    """Of deletion."""

    steps: int = param(STEPS, help="into how many the picture is divided", low=2, high=1000)
    fill: str = fill_param("mean")
    score: str = score_param("probability")


@metric(
    Card(
        key="deletion",
        title="Deletion",
        summary="How soon is the class gone when what the map marks is hidden first? The area under its probability.",
        blind_spot="A picture with holes is one the model has never seen: holes that look like another class score as "
        "well as evidence that is gone.",
        paper="Petsiuk, Das and Saenko 2018, RISE: Randomized Input Sampling for Explanation of Black-box Models, "
        "section 3.3",
        needs=frozenset({"model"}),
        cost=STEPS + 1.0,
        aspect="faithfulness",
        agreement=0.68,
        direction=-1,
        unit="mean probability, 0…1",
        scale_free=True,
        curve="share of the picture that is hidden",
    ),
    DeletionParams,
)
def deletion(given: MetricInput, params: DeletionParams) -> Scores:
    """Area under the probability against the share of pixels hidden, both ends included, by trapezoids.

    Places are hidden in the order of the map on the input's grid, all channels together; places that are alike in an
    order that is spread over the picture. Beside it `whole`, what the whole picture gets.
    """
    reasons = no_evidence(given.evidence)
    curves, shares = hidden_step_by_step(given.model, given.order, params.fill, params.steps, params.score)
    beside = {"whole": curves[:, 0].astype(np.float32)}
    return Scores(unless(area(curves, shares), reasons), reasons, unless(curves, reasons), beside)
