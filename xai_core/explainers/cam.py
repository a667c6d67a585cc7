"""Class activation maps of the gradient family: pure functions of activations A and gradients G, raw and signed.

The papers rectify the sum; here it stays signed, and rectifying is left to whoever draws or scores the map.
The planner owns the forward and backward pass that these share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.explainers.base import cam_method
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor

NEEDS = frozenset({"cam_layer", "gradients"})


@cam_method(
    Card(
        key="gradcam",
        title="Grad-CAM",
        summary="Where the layer's channels fire, each weighted by its mean gradient.",
        blind_spot="Coarse as the layer's grid; several objects of one class or cancelling gradients fade.",
        paper="Selvaraju et al. 2017, Grad-CAM: Visual Explanations from Deep Networks, eq. 1-2",
        needs=NEEDS,
        cost=1.1,
    )
)
def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k (mean_ij G_k) · A_k: equations 1 and 2 before the rectifier."""
    return (gradients.mean((2, 3), keepdim=True) * activations).sum(1)


@cam_method(
    Card(
        key="gradcam++",
        title="Grad-CAM++",
        summary="As Grad-CAM, but a channel's weight comes from the places that raise the target only.",
        blind_spot="Ignores evidence against the class; follows the activations more than the class.",
        paper="Chattopadhay et al. 2018, Grad-CAM++: Generalized Gradient-based Visual Explanations, eq. 10, 19",
        needs=NEEDS,
        cost=1.1,
    )
)
def gradcam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k w_k A_k, w_k = Σ_ij α_k · max(0, G_k), α_k = G_k² / (2 G_k² + (Σ_ab A_k) · G_k³): equations 10 and 19.

    The score is taken as exp(logit), whose derivatives are powers of the logit's gradient; the factor exp(logit)
    that all weights of a sample share is left out. α is shortened by G_k², which loses nothing: where the gradient
    is 0 its weight is 0 as well. A denominator of 0, which the paper leaves open, gives no weight.
    """
    denominator = 2 + activations.sum((2, 3), keepdim=True) * gradients
    weights = (gradients.relu() / denominator).where(denominator != 0, 0.0).sum((2, 3), keepdim=True)
    return (weights * activations).sum(1)
