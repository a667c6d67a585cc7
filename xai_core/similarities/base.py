"""The contract of a similarity of maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xai_core.registry import Registry
from xai_core.types import Array, Card

Compare = Callable[[Array, Array], Array]
"""`(a (N,h,w), b (N,h,w)) -> (N,)` float32, row by row; NaN where a row is constant or not finite."""


@dataclass(frozen=True)
class Similarity:
    """A registered similarity: 1 for equal maps, symmetric, the same for maps of another scale."""

    card: Card
    compare: Compare


SIMILARITIES: Registry[Similarity] = Registry("similarity", "xai_core.similarities")


def similarity(card: Card) -> Callable[[Compare], Compare]:
    """Register a similarity."""

    def register(compare: Compare) -> Compare:
        SIMILARITIES.add(Similarity(card, compare))
        return compare

    return register
