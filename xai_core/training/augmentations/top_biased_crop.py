"""Cut away lower parts of the picture: paper 1's answer to a model that looks at the hem only."""

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
class TopBiasedCropParams:
    """Of a top-biased crop."""

    probability: float = param(0.5, help="share of pictures that are cropped", low=0.0, high=1.0)
    keep_low: float = param(0.5, help="smallest share of the height that is kept", low=0.1, high=1.0)
    keep_high: float = param(1.0, help="largest share of the height that is kept", low=0.1, high=1.0)
    top_bias: float = param(0.8, help="1: the window always starts at the top; 0: anywhere", low=0.0, high=1.0)


@augmentation(
    Card(
        key="top_biased_crop",
        title="Top-biased crop",
        summary="Keeps a window that leans to the top of the picture and stretches it to full height again.",
        blind_spot="Stretches what it keeps; it may cost accuracy where the lower part tells the classes apart.",
        paper="Explainable AI for fashion image classification: a case study (paper 1), section on interventions",
    ),
    TopBiasedCropParams,
)
def top_biased_crop(batch: Batch, params: TopBiasedCropParams, generator: torch.Generator) -> Batch:
    """A window of the full width and a drawn share of the height.

    The rows left over lie above and below it; of them, a share drawn evenly from 0 … 1 − `top_bias` lies above.
    """
    import torch

    low, high = sorted((params.keep_low, params.keep_high))
    kept = draw(batch, low, high, generator)
    top = (1 - kept) * draw(batch, 0.0, 1.0 - params.top_bias, generator)
    window = Window(top, torch.zeros_like(top), kept, torch.ones_like(top))
    return sometimes(batch, moved(batch, window.cut), params.probability, generator)
