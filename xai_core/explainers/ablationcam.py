"""Ablation-CAM: how much the output sinks without each channel."""

from __future__ import annotations

import numpy as np

from xai_core.explainers.base import CamParams, ExplainerInput, explainer
from xai_core.types import Card, Explanation


@explainer(
    Card(
        key="ablationcam",
        title="Ablation-CAM",
        summary="Where the layer's channels fire, each weighted by how much the output sinks without it.",
        blind_spot="One channel goes at a time: channels that stand in for each other get little weight.",
        paper="Desai and Ramaswamy 2020, Ablation-CAM: Visual Explanations for Deep Convolutional Network via "
        "Gradient-free Localization",
        needs=frozenset({"cam_layer"}),
        cost=20.0,
    ),
    CamParams,
)
def ablationcam(given: ExplainerInput, params: CamParams) -> Explanation:
    """Σ_k (y − y_k) · A_k, where y_k is the output with channel k set to 0.

    The paper divides all weights of a picture by y. That changes the map's scale, and where y is negative it turns
    the map around; so it is left out, and the map of a difference is the difference of the maps.
    """
    from xai_core.explainers.engine.channels import drops_without_channels

    activations, drops = drops_without_channels(given.classifier, given.x, given.weights, params.layer)
    maps = (drops[:, :, None, None] * activations).sum(1)
    return Explanation(maps.cpu().numpy().astype(np.float32))
