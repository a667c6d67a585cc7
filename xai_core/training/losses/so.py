"""Segment overlap: Grad-CAM of the target shall lie on the object (the SO-Loss of paper 5, section III)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.params import param
from xai_core.training.losses.base import LossInput, LossOutput, cross_entropy, guided, loss
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SegmentOverlapParams:
    """Of segment overlap."""

    beta: float = param(0.5, help="share of cross-entropy; the rest is what the overlap lacks", low=0.0, high=1.0)
    views: int = param(
        8, help="flipped and turned views whose maps are pooled; each costs a pass", choices=(1, 2, 4, 8)
    )
    blur: int = param(23, help="side of the Gaussian that blurs masks, at 224 px; 0: none", low=0, high=223, unit="px")
    detached: bool = param(
        False, help="only the picture as it is gets a gradient: half the time or less, and not the paper's"
    )


@loss(
    Card(
        key="so",
        title="Segment overlap",
        summary="Cross-entropy, and the cosine between the object's mask and the Grad-CAM of the label's class.",
        blind_spot="Looks through one method, at one layer: a net can draw the map it is asked for and decide by "
        "something else. Where the map is zero nothing pulls at it.",
        paper="Employing Explanations for Effective Image Classification (anonymous), section III; with 1 − cosine, "
        "where it prints the cosine",
        needs=frozenset({"mask", "cam_layer", "gradients"}),
        cost=7.5,
    ),
    SegmentOverlapParams,
)
def segment_overlap(batch: LossInput, params: SegmentOverlapParams) -> LossOutput:
    """β·CE + (1 − β)·mean(1 − cos(P, M)), where

        G_v = T_v⁻¹ Grad-CAM(T_v x)      of the target, (N, h, w)
        P   = Σ_v softmax_v(G_v)·G_v     place by place
        M   = the blurred mask on the map's grid

    and the mean is over all samples: one without a mask, or with an empty one, adds 0 to it.
    """
    from xai_core.training.cams import grad_cam, on_grid, statistics_kept

    logits, first = grad_cam(batch.model, batch.x, batch.targets)
    maps = [first]
    entropy = cross_entropy(logits, batch.targets, batch.class_weights)
    if batch.masks is None or not batch.has_object.any():
        return guided(batch, logits, entropy, params.beta * entropy)
    with statistics_kept(batch.model.module):
        for view in range(1, params.views):
            x = turned(batch.x, view)
            _, found = grad_cam(batch.model, x, batch.targets, detached=params.detached)
            maps.append(turned_back(found, view))
    pooled = pool(maps)
    masks = on_grid(batch.masks, *pooled.shape[1:], blur=params.blur)
    overlaps = cosine(pooled, masks)
    lacking = ((1 - overlaps) * batch.has_object).mean()
    value = params.beta * entropy + (1 - params.beta) * lacking
    return guided(batch, logits, entropy, value, overlap=overlaps)


def turned(x: Tensor, view: int) -> Tensor:
    """One of eight views of `(N, C, H, W)`: bit 1 flips it sideways, 2 upside down, 4 about its diagonal.

    The first two are the picture and its mirror image, the first four what flips make, all eight also quarter turns.
    """
    axes = [axis for bit, axis in ((1, 3), (2, 2)) if view & bit]
    x = x.transpose(2, 3) if view & 4 else x
    return x.flip(axes)


def turned_back(maps: Tensor, view: int) -> Tensor:
    """A view's maps `(N, h, w)` as maps of the picture."""
    axes = [axis for bit, axis in ((1, 2), (2, 1)) if view & bit]
    maps = maps.flip(axes)
    return maps.transpose(1, 2) if view & 4 else maps


def pool(maps: list[Tensor]) -> Tensor:
    """The mean of views at each place, weighted by their softmax there: between their mean and their maximum."""
    import torch

    views = torch.stack(maps)
    return (views.softmax(0) * views).sum(0)


def cosine(maps: Tensor, masks: Tensor) -> Tensor:
    """`(N,)` cosine between maps ≥ 0 and masks, both `(N, h, w)`; next to 0 for maps of less than EVIDENCE.

    A map of evidence e, spread evenly over n places, has the norm e/√n.
    """
    from xai_core.training.cams import EVIDENCE

    maps, masks = maps.flatten(1), masks.flatten(1)
    least = EVIDENCE**2 / maps.shape[1]
    norms = (maps.square().sum(1) + least).sqrt() * masks.norm(dim=1).clamp(min=1e-6)
    return (maps * masks).sum(1) / norms
