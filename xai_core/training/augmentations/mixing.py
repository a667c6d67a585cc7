"""What augmentations that put two samples together share: partners, and how much each keeps of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from xai_core.training.batch import Batch


def partners(batch: Batch, generator: torch.Generator) -> Batch:
    """Another order of the same samples: each one's partner. A sample may be its own."""
    import torch

    return batch.take(torch.randperm(len(batch), generator=generator).to(batch.x.device))


def shares(batch: Batch, alpha: float, generator: torch.Generator) -> Tensor:
    """`(N, 1, 1, 1)` float32 in 0…1: how much each sample keeps of itself, drawn from Beta(alpha, alpha)."""
    import torch

    # Torch draws from no Beta with a generator of one's own: NumPy does, seeded by ours.
    seed = int(torch.randint(2**62, (), generator=generator))
    drawn = np.random.default_rng(seed).beta(alpha, alpha, len(batch)).astype(np.float32)
    return torch.from_numpy(drawn).reshape(-1, 1, 1, 1).to(batch.x.device)


def together(batch: Batch, other: Batch, x: Tensor, share: Tensor, masks: Tensor | None) -> Batch:
    """Pictures of two samples, with the targets of both by their shares.

    Args:
        share: `(N, 1, 1, 1)`: how much of the picture is the sample's own.
        masks: `(N, H, W)` the objects to be seen in `x`. It has a mask only where both samples have one: the object of
            a sample without one may lie anywhere.
    """
    own = share[:, :, 0, 0]
    targets = own * batch.targets + (1 - own) * other.targets
    if masks is None:
        return replace(batch, x=x, targets=targets)
    has_mask = batch.has_mask & other.has_mask
    return replace(batch, x=x, targets=targets, masks=masks & has_mask[:, None, None], has_mask=has_mask)
