"""Blend two pictures and their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.task import CLASSIFICATION
from xai_core.training.augmentations.base import MIXING, augmentation, sometimes
from xai_core.training.augmentations.mixing import partners, shares, together
from xai_core.types import Card

if TYPE_CHECKING:
    import torch

    from xai_core.training.batch import Batch


@dataclass(frozen=True)
class MixupParams:
    """Of mixup."""

    probability: float = param(1.0, help="share of pictures that are blended", low=0.0, high=1.0)
    alpha: float = param(0.2, help="shares are drawn from Beta(alpha, alpha); 1: evenly", low=0.01, high=10.0)


@augmentation(
    Card(
        key="mixup",
        title="Mixup",
        summary="Blends each picture with another one, and their labels by the same shares.",
        blind_spot="Nobody ever sees such pictures; heatmaps of a model trained so are often spread wider.",
        paper="Zhang, Cisse, Dauphin, Lopez-Paz 2018, mixup: Beyond Empirical Risk Minimization, equation 1",
    ),
    MixupParams,
    order=MIXING,
    tasks=(CLASSIFICATION,),
)
def mixup(batch: Batch, params: MixupParams, generator: torch.Generator) -> Batch:
    """λ·x + (1 − λ)·x', and the same of the targets; the masks of both objects."""
    other, share = partners(batch, generator), shares(batch, params.alpha, generator)
    x = share * batch.x + (1 - share) * other.x
    masks = None if batch.masks is None or other.masks is None else batch.masks | other.masks
    return sometimes(batch, together(batch, other, x, share, masks), params.probability, generator)
