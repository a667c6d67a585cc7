"""Turn, shift and scale a little."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.training.augmentations.base import augmentation, draw, moved, resample, sometimes
from xai_core.types import Card

if TYPE_CHECKING:
    import torch

    from xai_core.training.batch import Batch


@dataclass(frozen=True)
class AffineParams:
    """Of an affine change; every amount is drawn evenly from minus to plus its limit."""

    probability: float = param(1.0, help="share of pictures that are moved", low=0.0, high=1.0)
    degrees: float = param(10.0, help="largest turn", low=0.0, high=180.0, unit="degrees")
    shift: float = param(0.08, help="largest shift, as a share of each side", low=0.0, high=0.5)
    scale: float = param(0.1, help="largest change of size, as a share", low=0.0, high=0.9)


@augmentation(
    Card(
        key="affine",
        title="Affine",
        summary="Turns, shifts and scales pictures a little; edges are continued outwards.",
        blind_spot="Wrong where position, angle or size is what tells the classes apart.",
    ),
    AffineParams,
)
def affine(batch: Batch, params: AffineParams, generator: torch.Generator) -> Batch:
    """Turn by an angle, shift both ways, scale, in one resampling."""
    import torch

    angle = draw(batch, -params.degrees, params.degrees, generator) * (pi / 180)
    size = 1 / (1 + draw(batch, -params.scale, params.scale, generator))
    across, down = (2 * draw(batch, -params.shift, params.shift, generator) for _ in range(2))
    ratio = batch.x.shape[-1] / batch.x.shape[-2]  # a turn must stay a turn in pixels where the sides differ
    cosine, sine = size * angle.cos(), size * angle.sin()
    theta = torch.cat([cosine, -sine / ratio, across, sine * ratio, cosine, down], dim=1).reshape(-1, 2, 3)
    turned = moved(batch, lambda planes: resample(planes, theta.to(planes.dtype)))
    return sometimes(batch, turned, params.probability, generator)
