"""Right for the right reasons: input gradients outside of the object's mask are penalised (Ross et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.params import param
from xai_core.training.losses.base import LossInput, LossOutput, cross_entropy, guided, loss
from xai_core.types import Card


@dataclass(frozen=True)
class RightReasonsParams:
    """Of right for the right reasons."""

    weight: float = param(10.0, help="of the gradients outside, beside cross-entropy", low=0.0, high=1e6)


@loss(
    Card(
        key="rrr",
        title="Right for the right reasons",
        summary="Cross-entropy, and the squared input gradients of all log probabilities outside of the object's mask.",
        blind_spot="A gradient tells of small changes only: a saturated net passes. Its size depends on normalisation "
        "and picture size, so the weight has to be found anew for each data set.",
        paper="Ross, Hughes, Doshi-Velez 2017, Right for the Right Reasons, equation 1",
        needs=frozenset({"mask", "gradients"}),
        cost=2.0,
    ),
    RightReasonsParams,
)
def right_reasons(batch: LossInput, params: RightReasonsParams) -> LossOutput:
    """CE + λ₁·mean_n Σ_d (A_nd · ∂/∂x_nd Σ_k log p_nk)², where A is 1 outside of the mask and 0 inside.

    Means over samples where the paper has sums, so that λ₁ does not depend on the batch size. One without a mask, or
    with an empty one, adds 0. The pull of weights to zero that the paper adds is the optimiser's.
    """
    import torch

    logits, x = batch.model.with_input(batch.x)
    entropy = cross_entropy(logits, batch.targets, batch.class_weights)
    if batch.masks is None or not batch.has_object.any():
        return guided(batch, logits, entropy, entropy)
    (gradients,) = torch.autograd.grad(logits.log_softmax(1).sum(), x, create_graph=True)
    outside = gradients.float().square() * ~batch.masks[:, None]
    wrong = outside.sum((1, 2, 3))
    value = entropy + params.weight * (wrong * batch.has_object).mean()
    return guided(batch, logits, entropy, value, gradients_outside=wrong)
