"""Put the object before another sample's background, so that the background says nothing of the class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.task import CLASSIFICATION
from xai_core.training.augmentations.base import MIXING, augmentation, sometimes
from xai_core.training.augmentations.mixing import partners
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from xai_core.training.batch import Batch


@dataclass(frozen=True)
class BackgroundSwapParams:
    """Of a swap of backgrounds."""

    probability: float = param(0.5, help="share of pictures that get another background", low=0.0, high=1.0)


@augmentation(
    Card(
        key="background_swap",
        title="Background swap",
        summary="Puts the object, by its mask, before the background of another sample.",
        blind_spot="Objects float, and light and edges do not match: a model may learn the seams. It needs good masks.",
        paper="Xiao, Engstrom, Ilyas, Madry 2021, Noise or Signal, section 2 (their Mixed-Rand)",
        needs=frozenset({"mask"}),
    ),
    BackgroundSwapParams,
    order=MIXING,
    tasks=(CLASSIFICATION,),
)
def background_swap(batch: Batch, params: BackgroundSwapParams, generator: torch.Generator) -> Batch:
    """Labels and masks stay. A sample stays as it is where it, or its partner, has no mask, or its own is empty."""
    import torch
    from torch.nn.functional import avg_pool2d

    other = partners(batch, generator)
    assert batch.masks is not None, "its card needs masks"
    assert other.masks is not None
    own = batch.masks[:, None].to(batch.x.dtype)
    soft = avg_pool2d(own, 3, stride=1, padding=1, count_include_pad=False)  # a hard edge would be one everywhere
    pasted = soft * batch.x + (1 - soft) * without_object(other.x, other.masks)
    possible = batch.has_mask & other.has_mask & batch.masks.flatten(1).any(1)
    x = torch.where(possible[:, None, None, None], pasted, batch.x).clamp(0, 1)
    return sometimes(batch, replace(batch, x=x), params.probability, generator)


def without_object(x: Tensor, masks: Tensor) -> Tensor:
    """Pictures whose objects are filled from what surrounds them, the nearest first.

    Means of what is known, over squares that double until each pixel has one; grey where nothing is known at all.

    Args:
        x: `(N, C, H, W)` in 0…1.
        masks: `(N, H, W)` bool, what is filled.
    """
    import torch
    from torch.nn.functional import interpolate

    known = (~masks)[:, None].to(x.dtype)
    levels = [(x * known, known)]
    while max(levels[-1][0].shape[-2:]) > 1:
        total, weight = levels[-1]
        levels.append((_halved(total), _halved(weight)))
    means = [total / weight.clamp(min=1e-6) for total, weight in levels]
    filled = torch.where(levels[-1][1] > 0, means[-1], 0.5)
    for mean, (_, here) in zip(means[-2::-1], levels[-2::-1], strict=True):
        coarse = interpolate(filled, size=mean.shape[-2:], mode="bilinear", align_corners=False)
        filled = here * mean + (1 - here) * coarse
    return filled


def _halved(planes: Tensor) -> Tensor:
    """Means over squares of two pixels a side."""
    from torch.nn.functional import avg_pool2d

    return avg_pool2d(planes, 2, ceil_mode=True, count_include_pad=False)
