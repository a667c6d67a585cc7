"""Put noise over a rectangle, so that no single part may decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.training.augmentations.base import ERASING, augmentation, draw, sometimes
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from xai_core.training.batch import Batch

NARROW, WIDE = log(0.3), log(1 / 0.3)
"""Range of the rectangle's log aspect ratio (Zhong et al. 2020, section 4)."""


@dataclass(frozen=True)
class RandomErasingParams:
    """Of random erasing."""

    probability: float = param(0.5, help="share of pictures that lose a rectangle", low=0.0, high=1.0)
    area_low: float = param(0.02, help="smallest share of the area", low=0.0, high=1.0)
    area_high: float = param(0.25, help="largest share of the area", low=0.0, high=1.0)


@augmentation(
    Card(
        key="random_erasing",
        title="Random erasing",
        summary="Puts noise over one rectangle of a picture.",
        blind_spot="May hide the only part that tells the class.",
        paper="Zhong, Zheng, Kang, Li, Yang 2020, Random Erasing Data Augmentation",
    ),
    RandomErasingParams,
    order=ERASING,
)
def random_erasing(batch: Batch, params: RandomErasingParams, generator: torch.Generator) -> Batch:
    """A rectangle of drawn area, aspect ratio and place, cut to the picture, filled with uniform noise."""
    import torch

    x = batch.x
    low, high = sorted((params.area_low, params.area_high))
    area = draw(batch, low, high, generator)
    aspect = draw(batch, NARROW, WIDE, generator).exp()
    inside_rows = _span(batch, (area * aspect).sqrt(), x.shape[-2], generator)
    inside_columns = _span(batch, (area / aspect).sqrt(), x.shape[-1], generator)
    noise = torch.rand(x.shape, generator=generator).to(x)
    inside = inside_rows.transpose(-2, -1) & inside_columns
    return sometimes(batch, replace(batch, x=torch.where(inside, noise, x)), params.probability, generator)


def _span(batch: Batch, share: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """`(N, 1, 1, length)` bool: a stretch of this share of the pixels, anywhere."""
    import torch

    share = share.clamp(max=1)
    start = (1 - share) * draw(batch, 0.0, 1.0, generator)
    centres = (torch.arange(length, device=batch.x.device) + 0.5) / length
    return (centres >= start) & (centres < start + share)
