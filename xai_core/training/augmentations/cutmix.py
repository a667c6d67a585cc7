"""Paste a rectangle of another picture, and share the label by area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.task import CLASSIFICATION
from xai_core.training.augmentations.base import MIXING, augmentation, draw, sometimes
from xai_core.training.augmentations.mixing import partners, shares, together
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from xai_core.training.batch import Batch


@dataclass(frozen=True)
class CutMixParams:
    """Of CutMix."""

    probability: float = param(0.5, help="share of pictures that get a rectangle of another one", low=0.0, high=1.0)
    alpha: float = param(1.0, help="shares are drawn from Beta(alpha, alpha); 1: evenly", low=0.01, high=10.0)


@augmentation(
    Card(
        key="cutmix",
        title="CutMix",
        summary="Pastes a rectangle of another picture; the labels share by its area.",
        blind_spot="The area says nothing of what is in it: a rectangle of background gives its class a share too.",
        paper="Yun et al. 2019, CutMix: Regularization Strategy to Train Strong Classifiers, equations 1 and 2",
    ),
    CutMixParams,
    order=MIXING,
    tasks=(CLASSIFICATION,),
)
def cutmix(batch: Batch, params: CutMixParams, generator: torch.Generator) -> Batch:
    """A rectangle of the picture's own aspect ratio, its centre anywhere, cut to the picture; targets by its area."""
    import torch

    other, asked = partners(batch, generator), shares(batch, params.alpha, generator)
    side = (1 - asked).sqrt()
    rows, columns = (_span(side, length, batch, generator) for length in batch.x.shape[-2:])
    pasted = rows.transpose(-2, -1) & columns
    own = 1 - pasted.float().mean((2, 3), keepdim=True)
    x = torch.where(pasted, other.x, batch.x)
    masks = None
    if batch.masks is not None and other.masks is not None:
        masks = torch.where(pasted[:, 0], other.masks, batch.masks)
    return sometimes(batch, together(batch, other, x, own, masks), params.probability, generator)


def _span(side: Tensor, length: int, batch: Batch, generator: torch.Generator) -> Tensor:
    """`(N, 1, 1, length)` bool: a stretch of this share of the side, around any centre, as far as it is inside."""
    import torch

    centre = draw(batch, 0.0, 1.0, generator)
    places = (torch.arange(length, device=batch.x.device) + 0.5) / length
    return (places - centre).abs() < side / 2
