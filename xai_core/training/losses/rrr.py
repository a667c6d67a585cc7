"""Right for the right reasons: input gradients outside of the object's mask are penalised (Ross et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from xai_core.errors import BadInput
from xai_core.params import param
from xai_core.training.losses.base import LossInput, LossOutput, cross_entropy, guided, loss
from xai_core.types import Card


@dataclass(frozen=True)
class RightReasonsParams:
    """Of right for the right reasons."""

    weight: float = param(
        0.0, help="of the gradients outside, beside cross-entropy; 0: found on the first batches", low=0.0, high=1e6
    )


def found_weight(batches: Iterable[LossInput], params: RightReasonsParams) -> RightReasonsParams:
    """With the weight by the paper's rule, where none is given: at the start both parts are of one size.

    It is mean cross-entropy ÷ mean squared gradient outside, the latter over samples that have an object.

    Raises:
        BadInput: nothing is outside of a mask, or the network has no gradient by its input.
    """
    if params.weight:
        return params
    entropy, outside, samples, objects = 0.0, 0.0, 0, 0
    for batch in batches:
        count = 0 if batch.masks is None else int(batch.has_object.sum())
        parts = right_reasons(batch, params).parts
        entropy, samples = entropy + len(batch.x) * float(parts["cross_entropy"].detach()), samples + len(batch.x)
        if count:
            outside, objects = outside + count * float(parts["gradients_outside"].detach()), objects + count
    if not outside:
        remedy = "Give one, such as --set rrr.weight=0.001, or begin from trained weights."
        raise BadInput("no weight can be found for rrr", value="no gradient outside of masks", remedy=remedy)
    return replace(params, weight=(entropy / samples) / (outside / objects))


@loss(
    Card(
        key="rrr",
        title="Right for the right reasons",
        summary="Cross-entropy, and the squared input gradients of all log probabilities outside of the object's mask.",
        blind_spot="A gradient tells of small changes only: a saturated net passes. Its size depends on the network, "
        "normalisation and picture size: a weight that served elsewhere may destroy what was learned.",
        paper="Ross, Hughes, Doshi-Velez 2017, Right for the Right Reasons, equation 1",
        needs=frozenset({"mask", "gradients"}),
        cost=2.0,
    ),
    RightReasonsParams,
    settle=found_weight,
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
