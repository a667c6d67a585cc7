"""A batch in training: what augmentations change, before normalising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """N samples.

    Attributes:
        x: `(N, C, H, W)` float32 on the 0…1 scale.
        targets: `(N, K)` float32, each row ≥ 0 with sum 1: all of it at the label, until an augmentation mixes samples.
        masks: `(N, H, W)` bool, the object on the same pixels; None where neither the loss nor an augmentation needs
            masks, so that nobody read them.
        has_mask: `(N,)` bool: whether a sample has a mask at all. One without has an all-false plane in `masks`, and so
            has one whose mask is empty: these are two things.
    """

    x: Tensor
    targets: Tensor
    masks: Tensor | None
    has_mask: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def take(self, order: Tensor) -> Batch:
        """The samples at these `(M,)` positions: with a permutation, a partner for each sample."""
        masks = None if self.masks is None else self.masks[order]
        return Batch(self.x[order], self.targets[order], masks, self.has_mask[order])
