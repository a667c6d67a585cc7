"""Cloth: a ground colour and the inks on it, as patterns of fabric coordinates in body units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.demo.art import palette
from xai_core.demo.art.canvas import Field, reduced
from xai_core.demo.art.chance import Chance
from xai_core.demo.art.palette import Colour

Mask = NDArray[np.bool_]
Pattern = Callable[[Field, Field], list[tuple[Mask, Colour]]]
"""Fabric coordinates u (across) and v (down) → inks, the later over the earlier."""


@dataclass(frozen=True)
class Fabric:
    """What a garment is made of.

    Attributes:
        name: the kind of cloth.
        ground: its main colour.
        pattern: the inks, or None for plain cloth.
        grain: how uneven its threads are, 0 … about 0.1.
        fans: the pattern follows the width of the garment (stripes that spread towards the hem).
    """

    name: str
    ground: Colour
    pattern: Pattern | None = None
    grain: float = 0.02
    fans: bool = False

    def colours(self, u: Field, v: Field, noise: Field) -> NDArray[np.float64]:
        """Its colour at each pixel, `(height, width, 3)`; `u` and `v` on the drawn (large) pixels."""
        result = np.broadcast_to(self.ground, (*noise.shape, 3)).copy()
        for mask, ink in self.pattern(u, v) if self.pattern else []:
            result += reduced(mask)[..., None] * (ink - result)
        return np.clip(result * (1.0 + self.grain * (noise - 0.5) * 2)[..., None], 0.0, 1.0)


def plain(ground: Colour, grain: float = 0.02) -> Fabric:
    """One colour."""
    return Fabric("plain", ground, None, grain)


def stripes(chance: Chance, ground: Colour, across: bool = False) -> Fabric:
    """Stripes along the cloth, or across it."""
    ink = palette.apart(chance, ground, 0.45)
    period = chance.between(0.1, 0.34)
    share = chance.pick((0.18, 0.35, 0.5))

    def pattern(u: Field, v: Field) -> list[tuple[Mask, Colour]]:
        return [((v if across else u) / period % 1.0 < share, ink)]

    return Fabric("stripes across" if across else "stripes", ground, pattern, fans=not across)


def checks(chance: Chance, ground: Colour) -> Fabric:
    """Gingham: two sets of bands; where they cross the ink is full."""
    ink = palette.apart(chance, ground, 0.45)
    half = palette.mix(ground, ink, 0.5)
    period = chance.between(0.16, 0.36)

    def pattern(u: Field, v: Field) -> list[tuple[Mask, Colour]]:
        warp, weft = u / period % 1.0 < 0.5, v / period % 1.0 < 0.5
        return [(warp ^ weft, half), (warp & weft, ink)]

    return Fabric("checks", ground, pattern)


def tartan(chance: Chance, ground: Colour) -> Fabric:
    """Wide bands with thin lines, both ways."""
    band, thin = palette.apart(chance, ground, 0.35), palette.apart(chance, ground, 0.5)
    mid = palette.mix(ground, band, 0.55)
    period = chance.between(0.34, 0.6)

    def pattern(u: Field, v: Field) -> list[tuple[Mask, Colour]]:
        a, b = u / period % 1.0, v / period % 1.0
        lines = (np.abs(a - 0.7) < 0.035) | (np.abs(b - 0.7) < 0.035)
        return [((a < 0.4) ^ (b < 0.4), mid), ((a < 0.4) & (b < 0.4), band), (lines, thin)]

    return Fabric("tartan", ground, pattern, 0.04)


def dots(chance: Chance, ground: Colour) -> Fabric:
    """Dots on a staggered lattice."""
    ink = palette.apart(chance, ground, 0.45)
    period = chance.between(0.17, 0.4)
    radius = chance.between(0.2, 0.33)

    def pattern(u: Field, v: Field) -> list[tuple[Mask, Colour]]:
        row = np.floor(v / (0.87 * period))
        a = (u / period + 0.5 * (row % 2)) % 1.0 - 0.5
        b = v / (0.87 * period) - row - 0.5
        return [(a**2 + (0.87 * b) ** 2 < radius**2, ink)]

    return Fabric("dots", ground, pattern)


def floral(chance: Chance, ground: Colour) -> Fabric:
    """Five-petalled flowers of two colours with leaves, scattered on a jittered lattice."""
    petals = [palette.apart(chance, ground, 0.35) for _ in range(2)]
    leaf = palette.jitter(chance, palette.pick_leaf(ground))
    heart = palette.colour("f0d27a")
    period = chance.between(0.24, 0.6)
    table = chance.field(8, 8, 4)

    def pattern(u: Field, v: Field) -> list[tuple[Mask, Colour]]:
        row = np.floor(v / period)
        column = np.floor(u / period + 0.5 * (row % 2))
        cell = table[row.astype(np.int64) % 8, column.astype(np.int64) % 8]
        a = u / period + 0.5 * (row % 2) - column - 0.5 - 0.34 * (cell[..., 0] - 0.5)
        b = v / period - row - 0.5 - 0.34 * (cell[..., 1] - 0.5)
        angle = np.arctan2(b, a) + 6.3 * cell[..., 2]
        size = 0.22 + 0.12 * cell[..., 3]
        away = np.hypot(a, b)
        leaves = (away < 1.5 * size) & (np.maximum(np.cos(angle - 0.6), np.cos(angle - 2.3)) > 0.93)
        bloom = away < size * (0.7 + 0.4 * np.abs(np.cos(2.5 * angle)))
        first = cell[..., 2] < 0.6
        return [(leaves, leaf), (bloom & first, petals[0]), (bloom & ~first, petals[1]), (away < 0.28 * size, heart)]

    return Fabric("floral", ground, pattern)


def chevron(chance: Chance, ground: Colour) -> Fabric:
    """Zigzag bands."""
    ink = palette.apart(chance, ground, 0.4)
    period = chance.between(0.26, 0.46)

    def pattern(u: Field, v: Field) -> list[tuple[Mask, Colour]]:
        zigzag = 0.5 * np.abs(u / period % 1.0 - 0.5)
        return [((v / period * 1.1 + zigzag) % 0.5 < 0.22, ink)]

    return Fabric("chevron", ground, pattern)


def brush(chance: Chance, ground: Colour) -> Fabric:
    """Irregular spots, as brushed on."""
    ink = palette.apart(chance, ground, 0.35)
    waves = [(chance.between(5, 13), chance.between(5, 13), chance.between(0, 6.3)) for _ in range(5)]

    def pattern(u: Field, v: Field) -> list[tuple[Mask, Colour]]:
        signs = (1, -1, 1, -1, 1)
        total = sum(np.sin(a * u + s * b * v + p) for (a, b, p), s in zip(waves, signs, strict=True))
        return [(np.asarray(total) > 1.1, ink)]

    return Fabric("brush", ground, pattern)


def knit(chance: Chance, ground: Colour) -> Fabric:
    """Ribs: narrow lines of a darker tone."""
    ink = palette.mix(ground, palette.colour("1d1816"), 0.22)
    period = chance.between(0.09, 0.14)

    def pattern(u: Field, v: Field) -> list[tuple[Mask, Colour]]:
        return [((u + 0.012 * np.sin(v * 30)) / period % 1.0 < 0.4, ink)]

    return Fabric("knit", ground, pattern, 0.06, fans=True)


def denim(chance: Chance) -> Fabric:
    """Twill in a washed blue."""
    ground = palette.jitter(chance, chance.pick(palette.DENIMS), 0.025)
    pale = palette.mix(ground, palette.colour("f4f1ea"), 0.16)

    def pattern(u: Field, v: Field) -> list[tuple[Mask, Colour]]:
        return [((u + 0.6 * v) / 0.05 % 1.0 < 0.35, pale)]

    return Fabric("denim", ground, pattern, 0.07)


def draw_fabric(chance: Chance, shares: dict[str, float]) -> Fabric:
    """A fabric of one of the kinds, as likely as `shares` says."""
    kind = chance.weighted(shares)
    ground = palette.cloth(chance)
    if kind == "plain":
        return plain(ground, chance.between(0.01, 0.07))
    if kind == "denim":
        return denim(chance)
    if kind == "stripes":
        return stripes(chance, ground, across=chance.coin(0.45))
    return PATTERNED[kind](chance, ground)


PATTERNED: dict[str, Callable[[Chance, Colour], Fabric]] = {
    "checks": checks,
    "tartan": tartan,
    "dots": dots,
    "floral": floral,
    "chevron": chevron,
    "brush": brush,
    "knit": knit,
}

FLOWING = {"plain": 0.3, "floral": 0.22, "dots": 0.12, "stripes": 0.1, "checks": 0.08, "tartan": 0.05, "brush": 0.06,
           "chevron": 0.03, "knit": 0.04, "denim": 0.03}  # fmt: skip
"""Of dresses and skirts: the same for both, so that cloth does not give the class away."""
SHORTS = {"plain": 0.34, "denim": 0.34, "stripes": 0.08, "checks": 0.08, "floral": 0.1, "dots": 0.06}
PANTS = {"plain": 0.46, "denim": 0.34, "stripes": 0.08, "checks": 0.06, "tartan": 0.03, "knit": 0.03}
TEES = {"plain": 0.86, "stripes": 0.08, "knit": 0.06}
