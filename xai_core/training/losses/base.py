"""The contract of a training loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_core.params import NoParams
from xai_core.registry import Registry
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class LossInput:
    """One batch as a loss sees it.

    Attributes:
        module: the model in training; call it for the forward pass (a loss may need several).
        x: `(N, C, H, W)` augmented, normalised.
        labels: `(N,)` int64.
        class_weights: `(K,)` float32, inverse class frequency with mean 1, or None.
        masks: `(N, H, W)` bool after the same augmentation, or None where the dataset has none.
    """

    module: nn.Module
    x: Tensor
    labels: Tensor
    class_weights: Tensor | None
    masks: Tensor | None = None


@dataclass(frozen=True)
class Loss:
    """A registered loss: `compute(batch, params) -> (loss scalar, logits (N,K))`."""

    card: Card
    params: type
    compute: Callable[[LossInput, Any], tuple[Tensor, Tensor]]


LOSSES: Registry[Loss] = Registry("loss", "xai_core.training.losses")


def loss(card: Card, params: type = NoParams) -> Callable[..., Any]:
    """Register a loss."""

    def register(compute: Any) -> Any:
        LOSSES.add(Loss(card, params, compute))
        return compute

    return register
