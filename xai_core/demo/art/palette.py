"""Colours: RGB triples in 0 … 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xai_core.demo.art.chance import Chance

Colour = NDArray[np.float64]
"""`(3,)` RGB, 0 … 1."""


def colour(code: str) -> Colour:
    """The colour of a hex code without `#`."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def _colours(codes: str) -> tuple[Colour, ...]:
    return tuple(colour(code) for code in codes.split())


NEUTRALS = _colours("f4f1ea e9e2d3 d8c9b0 b8a58a 8c7a66 5a4c42 3a3634 24252a c9ccd1 9aa1aa 6b727c 44505e 1f2a3d")
BRIGHTS = _colours("c8412f d9683c e3a13b e9c65a 6f8f4e 3f6f58 2f7f86 3a6ea5 2f4b8c 5a4592 8b4a86 b8476f d8718a 8c2f39")
PASTELS = _colours("f2c9c4 f0d9b5 f3e7b3 cfdfb8 bcd9cf b9d5e3 c5cbe8 d8c5e3 efc8d8 e8b9a0 a9c4b0 9fb6cf")
EARTHS = _colours("a4562f b5763f 7a4a2e 6b5b3a 857a4a 4f5d3a 92695a 5c3a3a 7c2f2a c08a5a")
DENIMS = _colours("27364f 34496b 4a6790 6c8bb0 93aecb b7c9db 2b2e36")
SKINS = _colours("f3d3bd ecc2a4 dfae8a cb9570 b07a54 8d5b3d 6d432d 4f3123")
HAIRS = _colours("1d1816 2f221c 4a3223 6b4429 8f5f36 b98a52 d8b981 7a2e1e 8d8a88")
BACKDROPS = _colours(
    "e8e4de d9d6d2 c9cfd4 b9c2c8 d8cdbf e6d8c8 cbbfb0 d5dcd6 bfcbc1 e2cfcb c7bcc8 9aa3a8 7f8a8c a99a8a"
)


def distance(one: Colour, other: Colour) -> float:
    """How different two colours look: Euclidean, 0 … √3."""
    return float(np.sqrt(np.sum((one - other) ** 2)))


def cloth(chance: Chance) -> Colour:
    """A colour that clothes have, moved a little so that no two are the same."""
    family = chance.weighted({0: 0.32, 1: 0.28, 2: 0.22, 3: 0.18})
    return jitter(chance, chance.pick((NEUTRALS, BRIGHTS, PASTELS, EARTHS)[family]))


def jitter(chance: Chance, base: Colour, amount: float = 0.05) -> Colour:
    """The colour, moved by up to `amount` per channel."""
    return np.clip(base + (chance.field(3) - 0.5) * 2 * amount, 0.03, 0.97)


def apart(chance: Chance, other: Colour, least: float) -> Colour:
    """A cloth colour at least `least` away from another; the farthest of a few where none is."""
    tries = [cloth(chance) for _ in range(8)]
    for candidate in tries:
        if distance(candidate, other) >= least:
            return candidate
    return max(tries, key=lambda candidate: distance(candidate, other))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the way from one colour to the other."""
    return one + (other - one) * share


def ink_on(ground: Colour) -> Colour:
    """Near black on light grounds, near white on dark ones."""
    return colour("24252a") if float(ground @ np.array([0.3, 0.59, 0.11])) > 0.5 else colour("f4f1ea")


def pick_leaf(ground: Colour) -> Colour:
    """A leaf green that is seen on the ground."""
    return max((colour("3f6f48"), colour("a9bf86")), key=lambda green: distance(green, ground))
