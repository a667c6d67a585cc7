"""A batch in training: what augmentations change, before normalising."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """N samples.

    Attributes:
        x: `(N, C, H, W)` float32 on the 0…1 scale.
        targets: `(N, K)` float32, each row ≥ 0 with sum 1: all of it at the label, until an augmentation mixes samples.
            Of segmentation `(N, H, W)` int64 class indices on the same pixels, 255 to ignore.
        masks: `(N, H, W)` bool, the object on the same pixels; None where neither the loss nor an augmentation needs
            masks, so that nobody read them.
        has_mask: `(N,)` bool: whether a sample has a mask at all. One without has an all-false plane in `masks`, and so
            has one whose mask is empty: these are two things.
        evidence: by the key of the augmentation that asked for it, `(N, h, w)` float32 in 0…1: what a run's heatmaps
            point at. Each lies over the picture on a grid of its own, and is moved along with it.
    """

    x: Tensor
    targets: Tensor
    masks: Tensor | None
    has_mask: Tensor
    evidence: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def take(self, order: Tensor) -> Batch:
        """The samples at these `(M,)` positions: with a permutation, a partner for each sample."""
        masks = None if self.masks is None else self.masks[order]
        evidence = {key: planes[order] for key, planes in self.evidence.items()}
        return Batch(self.x[order], self.targets[order], masks, self.has_mask[order], evidence)
