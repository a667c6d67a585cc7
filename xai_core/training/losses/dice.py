"""Dice loss of segmenters (paper 4), alone and beside cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.label_maps import IGNORE
from xai_core.params import param
from xai_core.task import SEGMENTATION
from xai_core.training.losses.base import LossInput, LossOutput, cross_entropy, loss
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor

SOURCES = (
    "Milletari, Navab, Ahmadi 2016, V-Net; Sudre et al. 2017, Generalised Dice Overlap as a Deep Learning Loss Function"
)
LEAST = 1e-6
"""Of a sum of pixels that something is divided by."""


@dataclass(frozen=True)
class DiceSumParams:
    """Of the sum of both."""

    weight: float = param(1.0, help="of Dice, beside cross-entropy's 1", low=0.0, high=100.0)


def soft_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """One minus the mean of soft Dice over the classes that the batch's label maps show; 0 where they show none.

    Of class k, 2 Σ p t ÷ (Σ p + Σ t) over all known pixels of the batch, p its probability and t whether the pixel is
    of it. What is said of a class that is not there is taken from the others, and so costs as well.

    Args:
        logits: `(N, K, H, W)`.
        targets: `(N, H, W)` class indices, 255 to ignore.
    """
    from torch.nn import functional

    classes = logits.shape[1]
    known = targets != IGNORE
    p = logits.float().softmax(1).movedim(1, -1)[known]
    t = functional.one_hot(targets[known], classes).float()
    there = t.sum(0)
    dice = 2 * (p * t).sum(0) / (p.sum(0) + there).clamp(min=LEAST)
    shown = (there > 0).float()
    return ((1 - dice) * shown).sum() / shown.sum().clamp(min=1)


@loss(
    Card(
        key="dice",
        title="Dice",
        summary="One minus the soft overlap of prediction and truth, each class alike however few its pixels.",
        blind_spot="Probabilities become extreme, and classes that a batch does not show teach nothing of their own.",
        paper=SOURCES,
        cost=1.0,
    ),
    tasks=(SEGMENTATION,),
)
def dice(batch: LossInput, _: object) -> LossOutput:
    """Over all known pixels of the batch; class weights are not used, because every class counts alike."""
    logits = batch.model(batch.x)
    return LossOutput(soft_dice(logits, batch.targets), logits)


@loss(
    Card(
        key="dice_cross_entropy",
        title="Dice and cross-entropy",
        summary="The sum of both: overlap for classes of few pixels, cross-entropy for steady steps and probabilities.",
        blind_spot="How much each should weigh depends on the data; their sum is a habit and no derivation.",
        paper=SOURCES,
        cost=1.0,
    ),
    DiceSumParams,
    tasks=(SEGMENTATION,),
)
def dice_cross_entropy(batch: LossInput, params: DiceSumParams) -> LossOutput:
    """Cross-entropy weighted by the classes, plus so many times Dice."""
    logits = batch.model(batch.x)
    overlap = soft_dice(logits, batch.targets)
    entropy = cross_entropy(logits, batch.targets, batch.class_weights)
    return LossOutput(entropy + params.weight * overlap, logits, {"cross_entropy": entropy, "dice": overlap})
