"""Focal loss: easy samples count less (Lin et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.params import param
from xai_core.task import CLASSIFICATION, SEGMENTATION
from xai_core.training.losses.base import LossInput, LossOutput, loss, weighted_mean
from xai_core.types import Card

LEAST = 1e-6
"""Of 1 − p: a fractional power has no gradient at 0."""


@dataclass(frozen=True)
class FocalParams:
    """Of the focal loss."""

    gamma: float = param(2.0, help="how much less easy samples count; 0 is cross-entropy", low=0.0, high=10.0)


@loss(
    Card(
        key="focal",
        title="Focal loss",
        summary="Cross-entropy in which samples that are told well already count less.",
        blind_spot="Gives wrong labels more weight, and lowers confidence: calibrate before reading probabilities.",
        paper="Lin, Goyal, Girshick, He, Dollár 2017, Focal Loss for Dense Object Detection, equation 4",
        cost=1.0,
    ),
    FocalParams,
    tasks=(CLASSIFICATION, SEGMENTATION),
)
def focal(batch: LossInput, params: FocalParams) -> LossOutput:
    """Mean of −(1 − p)^γ log p of the target, weighted by the classes of the targets."""
    logits = batch.model(batch.x)
    log_p = logits.log_softmax(1)
    hardness = (1 - log_p.exp()).clamp(min=LEAST) ** params.gamma
    return LossOutput(weighted_mean(-hardness * log_p, batch), logits)
