"""The energy loss: positive evidence shall lie inside of the object's mask (Rao et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.training.losses.base import LossInput, LossOutput, cross_entropy, guided, loss
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.training.model import TrainingModel


@dataclass(frozen=True)
class EnergyParams:
    """Of the energy loss."""

    weight: float = param(1.0, help="of the energy outside, beside cross-entropy", low=0.0, high=1000.0)
    at: str = param(
        "cam_layer", help="evidence by Grad-CAM, or by input × gradient at the pixels", choices=("cam_layer", "input")
    )


@loss(
    Card(
        key="energy",
        title="Energy inside the mask",
        summary="Cross-entropy, and the share of the positive evidence for the label's class that lies outside of the "
        "object's mask.",
        blind_spot="One spot inside is as good as the whole object; and it looks through one method, which a net can "
        "satisfy and still decide by something else.",
        paper="Rao, Böhle, Parchami-Araghi, Schiele 2023, Studying How to Efficiently and Effectively Guide Models "
        "with Explanations (energy loss)",
        needs=frozenset({"mask", "cam_layer", "gradients"}),
        cost=1.1,
    ),
    EnergyParams,
)
def energy(batch: LossInput, params: EnergyParams) -> LossOutput:
    """CE + λ·mean(1 − Σ M·S⁺ / Σ S⁺) with the evidence S at the CAM layer or at the pixels.

    The mean is over all samples: one without a mask, or with an empty one, adds 0 to it.
    """
    from xai_core.training.cams import EVIDENCE, grad_cam, on_grid

    explain = grad_cam if params.at == "cam_layer" else input_times_gradient
    logits, evidence = explain(batch.model, batch.x, batch.targets)
    entropy = cross_entropy(logits, batch.targets, batch.class_weights)
    if batch.masks is None or not batch.has_object.any():
        return guided(batch, logits, entropy, entropy)
    inside = on_grid(batch.masks, *evidence.shape[1:])
    shares = (evidence * inside).sum((1, 2)) / (evidence.sum((1, 2)) + EVIDENCE)
    value = entropy + params.weight * ((1 - shares) * batch.has_object).mean()
    return guided(batch, logits, entropy, value, energy_inside=shares)


def input_times_gradient(model: TrainingModel, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logits, and the positive part of Σ_c x_c·∂y/∂x_c, `(N, H, W)`, with a gradient by the weights."""
    import torch

    logits, x = model.with_input(x)
    (gradients,) = torch.autograd.grad((logits * targets).sum(), x, create_graph=True)
    return logits, (x * gradients).float().sum(1).relu()
