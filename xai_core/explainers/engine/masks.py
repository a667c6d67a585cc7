"""Pictures seen through a layer's channels, and what the model makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_core.explainers.engine.output import logits_of, weighted
from xai_core.explainers.engine.pauses import pause

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.explainers.base import ExplainerInput

PICTURES_AT_ONCE = 64
"""Masked pictures that go through the model together, at most: more gains nothing on a CPU."""

NUMBERS_AT_ONCE = 2**22
"""Their size, at most (16 MB: 27 pictures of 3 × 224 × 224)."""

ROUNDING = 1e-6
"""A channel that varies by less of its peak is taken as constant: scaling it to 0…1 would show rounding errors."""


def varying(activations: Tensor) -> Tensor:
    """`(N, C, h, w)` → `(N, C)` bool: which channels vary over the picture. False where one is not finite."""
    flat = activations.flatten(2)
    return flat.amax(2) - flat.amin(2) > ROUNDING * flat.abs().amax(2)


def masked_scores(
    given: ExplainerInput, start: Tensor, channels: Tensor, rows: Tensor, *, corners: bool, probability: bool
) -> Tensor:
    """What targets get `(P,)` of pictures that are visible where a channel is high, and `start` where it is low.

    Args:
        given: N pictures with their targets.
        start: `(N, C, H, W)`, what hidden pixels become.
        channels: `(P, h, w)`, each brought to the picture's size (bilinear) and then scaled to 0…1.
        rows: `(P,)`, the picture that each is laid over.
        corners: whether the centres of corner cells lie on the corner pixels, or cells over the pixels they cover.
        probability: of the softmax over classes instead of the logits.
    """
    x = given.x
    at_once = min(PICTURES_AT_ONCE, max(1, NUMBERS_AT_ONCE // x[0].numel()))
    found = [x.new_zeros(0)]
    with torch.no_grad():
        for part, row in zip(torch.split(channels, at_once), torch.split(rows, at_once), strict=True):
            masks = F.interpolate(part[:, None], x.shape[-2:], mode="bilinear", align_corners=corners)
            low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
            seen = start[row].lerp(x[row], (masks - low) / (high - low))
            output = logits_of(given.classifier, seen)
            found.append(weighted(output.softmax(1) if probability else output, given.weights[row]))
            pause()
    return torch.cat(found)
