"""Randomness that is the same on every machine: only the generator's plain doubles are drawn, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Chance:
    """Draws that depend only on the words they were seeded with.

    `Generator.random` is the one stream whose values numpy keeps between versions, so every draw is made from it.

    Args:
        words: non-negative integers (seed, split, class, number, …).
    """

    def __init__(self, *words: int) -> None:
        self._words = words
        self._source = np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))

    def branch(self, word: int) -> Chance:
        """An independent stream: what is drawn there does not shift what is drawn here."""
        return Chance(*self._words, word)

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * float(self._source.random())

    def coin(self, share: float = 0.5) -> bool:
        """True in `share` of the draws."""
        return float(self._source.random()) < share

    def side(self) -> int:
        """−1 or +1."""
        return 1 if self.coin() else -1

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self._source.random() * len(options))]

    def weighted(self, options: Mapping[T, float]) -> T:
        """One of the keys, as likely as its weight says."""
        left = float(self._source.random()) * sum(options.values())
        for option, weight in options.items():
            left -= weight
            if left < 0:
                return option
        return next(reversed(list(options)))

    def field(self, *shape: int) -> NDArray[np.float64]:
        """An array of numbers in [0, 1)."""
        return self._source.random(shape)
