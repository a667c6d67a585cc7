"""Class activation maps of the gradient family: pure functions of activations A and gradients G, raw and signed.

The papers rectify the sum; here it stays signed, and rectifying is left to whoever draws or scores the map.
The planner owns the forward and backward pass that these share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xai_core.explainers.base import CamParams, cam_method
from xai_core.params import param
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor

NEEDS = frozenset({"cam_layer", "gradients"})


@dataclass(frozen=True)
class GradCamParams(CamParams):
    """Of Grad-CAM."""

    window: int = param(
        0,
        help="side of the windows that gradients are averaged in: 0 for the whole layer, 1 is HiResCAM; between, for "
        "one object among several of its class (Seg-XRes-CAM)",
        low=0,
        high=1024,
        unit="places",
        later=True,
    )


def _in_windows(card: Card, params: GradCamParams) -> Card:
    return replace(card, title=f"{card.title} in windows of {params.window}") if params.window else card


@cam_method(
    Card(
        key="gradcam",
        title="Grad-CAM",
        summary="Where the layer's channels fire, each weighted by its mean gradient.",
        blind_spot="Coarse as the layer's grid; several objects of one class or cancelling gradients fade.",
        paper="Selvaraju et al. 2017, Grad-CAM: Visual Explanations from Deep Networks, eq. 1-2",
        needs=NEEDS,
        cost=1.1,
    ),
    GradCamParams,
    special=_in_windows,
)
def gradcam(activations: Tensor, gradients: Tensor, params: GradCamParams = GradCamParams()) -> Tensor:
    """Σ_k (mean_ij G_k) · A_k: equations 1 and 2 before the rectifier.

    In windows: each place has the mean gradient of its own window, Σ_k U(P(G_k)) ⊙ A_k (Hasany, Petitjean, Meriaudeau
    2023, Seg-XRes-CAM; P averages, U repeats). Windows begin at the upper left; those that the border cuts
    average over the places they have, where the authors' code counts zeros beyond it.
    """
    import torch.nn.functional as F

    if not params.window:
        return (gradients.mean((2, 3), keepdim=True) * activations).sum(1)
    side, (height, width) = params.window, activations.shape[2:]
    means = F.avg_pool2d(gradients, side, ceil_mode=True)
    spread = means.repeat_interleave(side, 2)[:, :, :height].repeat_interleave(side, 3)[..., :width]
    return (spread * activations).sum(1)


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
    shares = gradients.relu().div_(denominator).masked_fill_(denominator == 0, 0)
    weights = shares.sum((2, 3), keepdim=True)
    return (weights * activations).sum(1)


@cam_method(
    Card(
        key="xgradcam",
        title="XGrad-CAM",
        summary="As Grad-CAM, but a channel's gradient counts where the channel fires.",
        blind_spot="Coarse as the layer's grid; a channel whose activations cancel out gets a huge weight.",
        paper="Fu et al. 2020, Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs, eq. 8",
        needs=NEEDS,
        cost=1.1,
    )
)
def xgradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k w_k A_k, w_k = Σ_ij G_k · A_k / Σ_ab A_k: the weighted mean of the gradient, equation 8.

    The paper leaves open what a channel is worth whose activations sum to 0, as a dead one's do: here, nothing.
    """
    total = activations.sum((2, 3), keepdim=True)
    explained = (gradients * activations).sum((2, 3), keepdim=True)
    return ((explained / total).where(total != 0, 0.0) * activations).sum(1)


@cam_method(
    Card(
        key="hirescam",
        title="HiResCAM",
        summary="Activations times gradients place by place: what each place adds to the linearised output.",
        blind_spot="Coarse as the layer's grid; noisy where many layers follow.",
        paper="Draelos and Carin 2020, Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional "
        "neural networks",
        needs=NEEDS,
        cost=1.1,
    )
)
def hirescam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k G_k · A_k, place by place: no mean is taken, so opposite gradients of a channel don't cancel."""
    return (gradients * activations).sum(1)


@cam_method(
    Card(
        key="layercam",
        title="LayerCAM",
        summary="Activations weighted by positive gradients place by place, so that earlier layers can be read.",
        blind_spot="Ignores evidence against the class.",
        paper="Jiang et al. 2021, LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, eq. 5-7",
        needs=NEEDS,
        cost=1.1,
    )
)
def layercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k max(0, G_k) · A_k: equations 5 and 6, and 7 before its rectifier."""
    return (gradients.relu() * activations).sum(1)
