"""Crop away from where the heatmaps of a confusion concentrate, so that a model has to find other evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.task import CLASSIFICATION
from xai_core.training.augmentations.base import Window, augmentation, draw, moved, sometimes
from xai_core.training.augmentations.evidence import CellEvidenceParams
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from xai_core.training.batch import Batch

PLACES = 5
"""A window stands at one of so many places along each side."""

SIGNS = {"away": -1.0, "onto": 1.0, "anywhere": 0.0}


@dataclass(frozen=True)
class AttentionCropParams(CellEvidenceParams):
    """Of an attention crop."""

    probability: float = param(0.5, help="share of pictures that are cropped", low=0.0, high=1.0)
    keep_low: float = param(0.6, help="smallest share of each side that is kept", low=0.1, high=1.0)
    keep_high: float = param(0.9, help="largest share of each side that is kept", low=0.1, high=1.0)
    place: str = param(
        "away",
        help="away from the evidence, onto it, or anywhere: the random twin that shows what cropping alone does",
        choices=tuple(SIGNS),
    )
    strength: float = param(
        10.0, help="how much a window with all of the evidence is disfavoured (log odds)", low=0.0, high=100.0
    )


@augmentation(
    Card(
        key="attention_crop",
        title="Attention crop",
        summary="Keeps windows that leave out where the mean heatmap of a confusion concentrates.",
        blind_spot="What it cuts away may be what tells the classes apart. Compare it with its random twin "
        "(place = anywhere): often cropping alone does as much.",
        paper="Explainable AI for fashion image classification: a case study (paper 1), section on interventions",
        needs=frozenset({"cell_evidence"}),
    ),
    AttentionCropParams,
    tasks=(CLASSIFICATION,),
)
def attention_crop(batch: Batch, params: AttentionCropParams, generator: torch.Generator) -> Batch:
    """A window of the picture's aspect ratio, at one of PLACES × PLACES places, by how much evidence each holds."""
    import torch

    low, high = sorted((params.keep_low, params.keep_high))
    kept, drawn = draw(batch, low, high, generator), draw(batch, 0.0, 1.0, generator)
    windows = [Window((1 - kept) * down, (1 - kept) * right, kept, kept) for down, right in _places()]
    held = inside(batch.evidence["attention_crop"], windows)
    odds = (SIGNS[params.place] * params.strength * held).softmax(1)
    chosen = (odds.cumsum(1) < drawn.reshape(-1, 1)).sum(1).clamp(max=len(windows) - 1)
    down, right = torch.tensor(_places(), device=batch.x.device)[chosen].T.reshape(2, -1, 1, 1, 1)
    window = Window((1 - kept) * down, (1 - kept) * right, kept, kept)
    return sometimes(batch, moved(batch, window.cut), params.probability, generator)


def _places() -> list[tuple[float, float]]:
    steps = [place / (PLACES - 1) for place in range(PLACES)]
    return [(down, right) for down in steps for right in steps]


def inside(planes: Tensor, windows: list[Window]) -> Tensor:
    """`(N, windows)`: which share of a sample's evidence each window holds; 0 where there is none at all."""
    import torch

    whole = planes.mean((1, 2)).clamp(min=1e-12)
    means = [window.cut(planes[:, None]).mean((1, 2, 3)) for window in windows]
    areas = [(window.height * window.width)[:, 0, 0, 0] for window in windows]
    return torch.stack([mean * area / whole for mean, area in zip(means, areas, strict=True)], 1)
