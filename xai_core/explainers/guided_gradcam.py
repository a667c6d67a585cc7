"""Guided Grad-CAM: guided backpropagation by Captum, where Grad-CAM looks."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from xai_core.explainers.base import CamParams, ExplainerInput, explainer
from xai_core.types import Card, Explanation

if TYPE_CHECKING:
    from torch import Tensor


@explainer(
    Card(
        key="guided_gradcam",
        title="Guided Grad-CAM",
        summary="Fine detail from guided backpropagation, kept where Grad-CAM is positive.",
        blind_spot="The detail hardly changes when the model's weights are randomised (Adebayo et al. 2018): it is "
        "the picture's, and no evidence of what the model learned.",
        paper="Selvaraju et al. 2017, Grad-CAM: Visual Explanations from Deep Networks, section 3.2; Springenberg et "
        "al. 2015 (guided backpropagation)",
        needs=frozenset({"cam_layer", "gradients", "whole"}),
        cost=3.6,
        signed=True,
    ),
    CamParams,
)
def guided_gradcam(given: ExplainerInput, params: CamParams) -> Explanation:
    """`max(0, Grad-CAM)`, upsampled bilinearly, times guided backpropagation, channels summed; at input resolution.

    Guided backpropagation passes a gradient back through a rectifier only where both it and the input are positive.

    Raises:
        NotApplicable: the model's non-linearities are not rectifiers; the error names one.
    """
    import torch
    import torch.nn.functional as F

    from xai_core.explainers.engine.plan import explain

    (cam,) = explain(given, [("gradcam", params)])
    guided = _guided_backpropagation(given)
    where = torch.from_numpy(cam.maps).to(guided.device).relu()[:, None]
    where = F.interpolate(where, size=given.x.shape[2:], mode="bilinear", align_corners=False)
    return Explanation((guided * where).sum(1).cpu().numpy(), refusals=cam.refusals)


def _guided_backpropagation(given: ExplainerInput) -> Tensor:
    """`(N, C, H, W)`."""
    from captum.attr import GuidedBackprop

    from xai_core.explainers.engine.output import TargetOutput
    from xai_core.explainers.engine.rewrite import kept_copy
    from xai_core.explainers.engine.ruled_copies import for_guided_backpropagation

    classifier = given.classifier
    module = kept_copy(classifier, "guided backpropagation", lambda: for_guided_backpropagation(classifier))
    output = TargetOutput(replace(classifier, module=module))
    with warnings.catch_warnings():
        # Captum warns of the hooks that it sets, and takes away again.
        warnings.simplefilter("ignore", UserWarning)
        found = GuidedBackprop(output).attribute(
            given.x.clone().requires_grad_(), additional_forward_args=(given.weights,)
        )
    return found.detach()
