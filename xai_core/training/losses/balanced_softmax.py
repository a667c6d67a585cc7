"""Balanced softmax: cross-entropy as it would be if all classes were equally frequent (Ren et al. 2020)."""

from __future__ import annotations

from xai_core.training.losses.base import LossInput, LossOutput, cross_entropy, loss
from xai_core.types import Card

LEAST = 1e-12
"""Share of a class that no training picture has; its logarithm has to be a number."""


@loss(
    Card(
        key="balanced_softmax",
        title="Balanced softmax",
        summary="Cross-entropy after each class's logarithmic share of the training pictures is added to its logit; "
        "takes the place of class weights.",
        blind_spot="Balances classes, not groups within them; probabilities are as for equally frequent classes.",
        paper="Ren, Yu, Sheng, Ma, Zhao, Yi, Li 2020, Balanced Meta-Softmax for Long-Tailed Visual Recognition, "
        "equation 3",
        cost=1.0,
    ),
)
def balanced_softmax(batch: LossInput, params: object) -> LossOutput:  # noqa: ARG001  (it has none)
    """Mean of −log(n_y e^(y_y) / Σ_k n_k e^(y_k)), where n_k is how many training pictures have class k.

    Class weights are left out: they would balance a second time.
    """
    logits = batch.model(batch.x)
    shifted = logits if batch.class_shares is None else logits + batch.class_shares.clamp(min=LEAST).log()
    return LossOutput(cross_entropy(shifted, batch.targets), logits)
