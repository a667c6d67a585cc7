"""Hide what a run's heatmaps point at, tile by tile, so that a model has to find other evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.task import CLASSIFICATION
from xai_core.training.augmentations.base import ERASING, augmentation, draw, sometimes
from xai_core.training.augmentations.evidence import EvidenceParams
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from xai_core.training.batch import Batch

FILLS = ("mean", "noise", "blur")


@dataclass(frozen=True)
class SaliencyMaskingParams(EvidenceParams):
    """Of saliency masking."""

    probability: float = param(0.5, help="share of pictures in which something is hidden", low=0.0, high=1.0)
    tiles: int = param(8, help="tiles along each side", low=2, high=64)
    area_low: float = param(0.1, help="smallest share of the tiles that is hidden", low=0.0, high=1.0)
    area_high: float = param(0.3, help="largest share of the tiles that is hidden", low=0.0, high=1.0)
    hide: str = param(
        "strongest",
        help="tiles with the strongest or weakest evidence, or random ones: the twin that shows what hiding alone does",
        choices=("strongest", "weakest", "random"),
    )
    fill: str = param("mean", help="the picture's mean colour, noise, or the picture blurred", choices=FILLS)


@augmentation(
    Card(
        key="saliency_masking",
        title="Saliency masking",
        summary="Hides the tiles with the strongest evidence for the true class, by a run's heatmaps.",
        blind_spot="Hides the object as readily as a spurious cue; an honest test often finds it no better than its "
        "random twin (hide = random).",
        paper="Intelligent coarse dropout as in BNNR; DeVries and Taylor 2017, Cutout, for the random twin",
        needs=frozenset({"evidence"}),
    ),
    SaliencyMaskingParams,
    order=ERASING,
    tasks=(CLASSIFICATION,),
)
def saliency_masking(batch: Batch, params: SaliencyMaskingParams, generator: torch.Generator) -> Batch:
    """A drawn share of the tiles, in the order of their evidence; ties in a drawn order. Whole tiles, at least one.

    A sample without evidence (its heatmap was refused, or is empty) is left as it is.
    """
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, interpolate

    planes, height, width = batch.evidence["saliency_masking"], *batch.x.shape[-2:]
    grid = min(params.tiles, height), min(params.tiles, width)
    evidence = adaptive_avg_pool2d(planes[:, None], grid).flatten(1)
    low, high = sorted((params.area_low, params.area_high))
    count = (draw(batch, low, high, generator).reshape(-1, 1) * evidence.shape[1]).round().clamp(min=1)
    order = _order(evidence, params.hide, generator)
    hidden = (order.argsort(1).argsort(1) < count).reshape(-1, 1, *grid).to(batch.x.dtype)
    covered = interpolate(hidden, size=(height, width), mode="nearest") > 0
    covered &= (planes.flatten(1) > 0).any(1).reshape(-1, 1, 1, 1)
    x = torch.where(covered, _filling(batch.x, params.fill, generator), batch.x)
    return sometimes(batch, replace(batch, x=x), params.probability, generator)


def _order(evidence: Tensor, hide: str, generator: torch.Generator) -> Tensor:
    """`(N, tiles)`: what sorts them, the first to be hidden lowest."""
    import torch

    drawn = torch.rand(evidence.shape, generator=generator).to(evidence)
    if hide == "random":
        return drawn
    # Equal tiles (where nothing points) must not go in reading order: a tie of less than any difference that counts.
    return (-evidence if hide == "strongest" else evidence) + 1e-6 * drawn


def _filling(x: Tensor, fill: str, generator: torch.Generator) -> Tensor:
    """`(N, C, H, W)`: what hidden tiles show."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, interpolate

    if fill == "noise":
        return torch.rand(x.shape, generator=generator).to(x)
    if fill == "mean":
        return x.mean((2, 3), keepdim=True).expand_as(x)
    return interpolate(adaptive_avg_pool2d(x, 4), size=x.shape[-2:], mode="bilinear", align_corners=False)
