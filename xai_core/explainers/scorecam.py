"""Score-CAM: what each channel's activations leave of the picture, and how the model scores that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.explainers.base import CamParams, ExplainerInput, explainer
from xai_core.params import param
from xai_core.types import Card, Explanation

NOTHING_VARIES = "no channel of the layer varies over the picture, so that there is no mask"


@dataclass(frozen=True)
class ScoreCamParams(CamParams):
    """Of Score-CAM."""

    score: str = param(
        "logit",
        help="a channel's weight: softmax over channels of its logit, or its picture's probability as it is",
        choices=("logit", "probability"),
    )
    upsampling: str = param(
        "half-pixel",
        help="where masks lie: a cell over the pixels it covers, or the corner cells' centres on the corner pixels",
        choices=("half-pixel", "align-corners"),
    )
    baseline: str = param(
        "mean",
        help="what hidden pixels become: the training mean, black, or the blurred picture",
        choices=("mean", "black", "blur"),
    )


@explainer(
    Card(
        key="scorecam",
        title="Score-CAM",
        summary="Where the layer's channels fire, each weighted by the output for the picture that it leaves visible.",
        blind_spot="Masked pictures are unlike any the model knows; channels all count as evidence for the class.",
        paper="Wang et al. 2020, Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks, "
        "definitions 2-3, algorithm 1",
        needs=frozenset({"cam_layer", "whole"}),
        cost=512.0,
    ),
    ScoreCamParams,
)
def scorecam(given: ExplainerInput, params: ScoreCamParams) -> Explanation:
    """Σ_k w_k A_k; w_k from the output for `b + (x − b) · s(U(A_k))`: U upsamples to the picture, s scales to 0…1.

    `logit`: w = softmax over the channels of the target (algorithm 1; the score of the baseline cancels out).
    `probability`: w_k = p of the target's class, or the difference of two (the authors' code). A channel that does
    not vary over the picture has no mask: its weight is 0, and it costs no forward.
    """
    from xai_core.explainers.engine.baseline import baseline
    from xai_core.explainers.engine.layer_pass import activations as activations_of
    from xai_core.explainers.engine.masks import masked_scores, varying

    activations = activations_of(given.classifier, given.x, params.layer)
    varies, corners = varying(activations), params.upsampling == "align-corners"
    rows, _ = varies.nonzero(as_tuple=True)
    weights = activations.new_zeros(varies.shape)
    start = baseline(given.classifier, given.x, params.baseline)
    probability = params.score == "probability"
    weights[varies] = masked_scores(given, start, activations[varies], rows, corners=corners, probability=probability)
    if params.score == "logit":
        weights = weights.where(varies, -np.inf).softmax(1).where(varies, 0.0)
    maps = (weights[:, :, None, None] * activations).sum(1)
    refusals = tuple(None if some else NOTHING_VARIES for some in varies.any(1).tolist())
    return Explanation(maps.cpu().numpy().astype(np.float32), refusals=refusals)
