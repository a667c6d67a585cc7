"""The contract of an augmentation: a seeded change of a batch of pictures during training only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_core.params import NoParams
from xai_core.registry import Registry
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """A registered augmentation.

    `apply(x, params, generator) -> x'`: `x` is `(N, C, H, W)` float32 on the 0…1 scale, before normalising; the
    result has the same shape. Randomness comes from `generator` only, one draw per sample, so that a seed gives
    the same training run. `order` says where it stands when several are chosen: geometry (0) before colour (1)
    before erasing (2).
    """

    card: Card
    params: type
    apply: Callable[[Tensor, Any, torch.Generator], Tensor]
    order: int = 0


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", "xai_core.training.augmentations")


def augmentation(card: Card, params: type = NoParams, *, order: int = 0) -> Callable[..., Any]:
    """Register an augmentation."""

    def register(apply: Any) -> Any:
        AUGMENTATIONS.add(Augmentation(card, params, apply, order))
        return apply

    return register
