"""Weighted cross-entropy, the loss of paper 1."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.params import param
from xai_core.task import CLASSIFICATION, SEGMENTATION
from xai_core.training.losses.base import LossInput, LossOutput, cross_entropy, loss
from xai_core.types import Card


@dataclass(frozen=True)
class CrossEntropyParams:
    """Of cross-entropy."""

    label_smoothing: float = param(0.0, help="probability spread evenly over all classes", low=0.0, high=0.9)


@loss(
    Card(
        key="cross_entropy",
        title="Cross-entropy",
        summary="The usual loss of classifiers, and of segmenters at each pixel; rare classes may weigh more, labels "
        "may be smoothed.",
        blind_spot="Asks only for the right class, not for the right reason.",
        paper="Szegedy et al. 2016, Rethinking the Inception Architecture (label smoothing, section 7)",
        cost=1.0,
    ),
    CrossEntropyParams,
    tasks=(CLASSIFICATION, SEGMENTATION),
)
def cross_entropy_loss(batch: LossInput, params: CrossEntropyParams) -> LossOutput:
    """Mean over the batch, of segmentation over its pixels, weighted by the classes of its targets."""
    logits = batch.model(batch.x)
    value = cross_entropy(logits, batch.targets, batch.class_weights, smoothing=params.label_smoothing)
    return LossOutput(value, logits)
