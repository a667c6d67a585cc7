"""The contract of an architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.registry import Registry
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Architecture:
    """A registered architecture.

    Attributes:
        build: `(classes, channels, size) -> module` with fresh weights; `size` is the input side in pixels.
        cam_layer: dotted name of the layer for class activation maps.
        head: dotted name of the last, class-specific layer: replaced when classes differ, trained first.
        size: default input side in pixels; `sizes` the inclusive range it works in.
        restore_grid: for layers whose output is not `(N, C, h, w)`; None otherwise.
    """

    card: Card
    build: Callable[[int, int, int], nn.Module]
    cam_layer: str
    head: str
    size: int
    sizes: tuple[int, int]
    restore_grid: Callable[[Tensor], Tensor] | None = None


ARCHITECTURES: Registry[Architecture] = Registry("architecture", "xai_core.models.architectures")
