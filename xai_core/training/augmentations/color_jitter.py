"""Change brightness, contrast and saturation a little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.training.augmentations.base import COLOUR, augmentation, draw, sometimes
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from xai_core.training.batch import Batch

LUMA = (0.299, 0.587, 0.114)
"""Share of red, green and blue in grey (ITU-R BT.601)."""


@dataclass(frozen=True)
class ColorJitterParams:
    """Of a colour jitter: factors are drawn evenly from 1 − limit to 1 + limit."""

    probability: float = param(0.8, help="share of pictures that are changed", low=0.0, high=1.0)
    brightness: float = param(0.2, help="largest change of brightness", low=0.0, high=1.0)
    contrast: float = param(0.2, help="largest change of contrast", low=0.0, high=1.0)
    saturation: float = param(0.2, help="largest change of saturation; none on grey pictures", low=0.0, high=1.0)


@augmentation(
    Card(
        key="color_jitter",
        title="Colour jitter",
        summary="Changes brightness, contrast and saturation; on grey pictures brightness and contrast only.",
        blind_spot="Wrong where colour is what tells the classes apart; hues stay as they are.",
    ),
    ColorJitterParams,
    order=COLOUR,
)
def color_jitter(batch: Batch, params: ColorJitterParams, generator: torch.Generator) -> Batch:
    """Brightness scales towards black, contrast towards the mean grey, saturation towards each pixel's grey."""
    bright, contrast, saturation = (
        1 + draw(batch, -limit, limit, generator) for limit in (params.brightness, params.contrast, params.saturation)
    )
    y = batch.x * bright
    mean = _grey(y).mean(dim=(-2, -1), keepdim=True)
    y = mean + (y - mean) * contrast
    if y.shape[1] == 3:
        grey = _grey(y)
        y = grey + (y - grey) * saturation
    return sometimes(batch, replace(batch, x=y.clamp(0, 1)), params.probability, generator)


def _grey(x: Tensor) -> Tensor:
    """`(N, 1 or 3, H, W)` → `(N, 1, H, W)`."""
    return x if x.shape[1] == 1 else (x * x.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)
