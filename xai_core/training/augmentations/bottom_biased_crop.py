"""Cut away upper parts of the picture: the mirror of the top-biased crop, and a control for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.training.augmentations.base import Window, augmentation, draw, moved, sometimes
from xai_core.types import Card

if TYPE_CHECKING:
    import torch

    from xai_core.training.batch import Batch


@dataclass(frozen=True)
class BottomBiasedCropParams:
    """Of a bottom-biased crop."""

    probability: float = param(0.5, help="share of pictures that are cropped", low=0.0, high=1.0)
    keep_low: float = param(0.5, help="smallest share of the height that is kept", low=0.1, high=1.0)
    keep_high: float = param(1.0, help="largest share of the height that is kept", low=0.1, high=1.0)
    bottom_bias: float = param(0.8, help="1: the window always ends at the bottom; 0: anywhere", low=0.0, high=1.0)


@augmentation(
    Card(
        key="bottom_biased_crop",
        title="Bottom-biased crop",
        summary="Keeps a window that leans to the bottom of the picture and stretches it to full height again.",
        blind_spot="Stretches what it keeps; it may cost accuracy where the upper part tells the classes apart.",
    ),
    BottomBiasedCropParams,
)
def bottom_biased_crop(batch: Batch, params: BottomBiasedCropParams, generator: torch.Generator) -> Batch:
    """A window of the full width and a drawn share of the height.

    The rows left over lie above and below it; of them, a share drawn evenly from 0 … 1 − `bottom_bias` lies below.
    """
    import torch

    low, high = sorted((params.keep_low, params.keep_high))
    kept = draw(batch, low, high, generator)
    top = (1 - kept) * (1 - draw(batch, 0.0, 1.0 - params.bottom_bias, generator))
    window = Window(top, torch.zeros_like(top), kept, torch.ones_like(top))
    return sometimes(batch, moved(batch, window.cut), params.probability, generator)
