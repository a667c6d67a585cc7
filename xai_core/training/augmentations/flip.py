"""Mirror left and right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.training.augmentations.base import augmentation, sometimes
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class FlipParams:
    """Of a flip."""

    probability: float = param(0.5, help="share of pictures that are mirrored", low=0.0, high=1.0)
    vertical: bool = param(False, help="mirror top and bottom instead of left and right")


@augmentation(
    Card(
        key="flip",
        title="Flip",
        summary="Mirrors some pictures left and right.",
        blind_spot="Wrong where sides matter: text, digits, anatomy.",
    ),
    FlipParams,
)
def flip(x: Tensor, params: FlipParams, generator: torch.Generator) -> Tensor:
    """Mirror along one axis."""
    return sometimes(x, x.flip(-2 if params.vertical else -1), params.probability, generator)
