"""The contract of a similarity of maps, and the two ways to register one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.registry import Registry
from xai_core.types import Array, Card

Compare = Callable[[Array, Array], Array]
"""`(a (N,h,w), b (N,h,w)) -> (N,)` float32, row by row; NaN where a row is constant or not finite."""

Described = NDArray[Any]
"""`(N, …)` float64: what of N maps is compared, worked out for each by itself."""

Describe = Callable[[Array], Described]
"""`(maps (N,h,w)) -> (N, …)`; NaN throughout where a map is constant or not finite."""


def products(a: Described, b: Described) -> Array:
    """`(N,)` cosines of rows `(N, D)` of norm 1: of centred ones, Pearson's correlation."""
    return np.einsum("nd,nd->n", a, b).clip(-1, 1).astype(np.float32)


@dataclass(frozen=True)
class Similarity:
    """A registered similarity: 1 for equal maps, symmetric, the same for maps of another scale.

    Attributes:
        card: what it is.
        describe: what of maps is compared. Of maps that many others are compared with it is asked once.
        alike: two descriptions of N maps -> `(N,)` float32, NaN where one of them is.
    """

    card: Card
    describe: Describe
    alike: Callable[[Described, Described], Array]

    def compare(self, a: Array, b: Array) -> Array:
        """`(N,)` float32, row by row; NaN where a row is constant or not finite.

        Args:
            a: `(N, h, w)`.
            b: `(N, h, w)`.

        Raises:
            ValueError: their shapes differ: they are for the caller to resize first.
        """
        if a.shape != b.shape or a.ndim != 3:
            raise ValueError(f"maps of shapes {a.shape} and {b.shape}: resize them to one (N, h, w) first")
        return self.alike(self.describe(a), self.describe(b))


SIMILARITIES: Registry[Similarity] = Registry("similarity", "xai_core.similarities")


def similarity(card: Card) -> Callable[[Compare], Compare]:
    """Register a function of two stacks of maps."""

    def register(compare: Compare) -> Compare:
        SIMILARITIES.add(Similarity(card, lambda maps: maps, compare))
        return compare

    return register


def description(
    card: Card, alike: Callable[[Described, Described], Array] = products
) -> Callable[[Describe], Describe]:
    """Register what of maps is compared: by default as rows of norm 1, see `products`."""

    def register(describe: Describe) -> Describe:
        SIMILARITIES.add(Similarity(card, describe, alike))
        return describe

    return register
