"""Mirror left and right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.training.augmentations.base import augmentation, moved, sometimes
from xai_core.types import Card

if TYPE_CHECKING:
    import torch

    from xai_core.training.batch import Batch


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
def flip(batch: Batch, params: FlipParams, generator: torch.Generator) -> Batch:
    """Mirror along one axis."""
    mirrored = moved(batch, lambda planes: planes.flip(-2 if params.vertical else -1))
    return sometimes(batch, mirrored, params.probability, generator)
