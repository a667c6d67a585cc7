"""Pants and shorts: two legs and the hips, with waistband, fly, pockets, creases and hems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.demo.art import palette
from xai_core.demo.art.canvas import Canvas, Field
from xai_core.demo.art.chance import Chance
from xai_core.demo.art.cloth import Wear, band, button, lay, seam, stitch
from xai_core.demo.art.figure import CROTCH, HIP, Figure, heading, knots
from xai_core.demo.art.geometry import Points, at, mirrored, points, spline, tube
from xai_core.demo.art.shading import Fold, folds, volume

LONG_CUTS = {
    "skinny": (0.38, 0.32, 0.22, 0.22, 0.13),
    "straight": (0.39, 0.34, 0.27, 0.26, 0.24),
    "wide": (0.4, 0.39, 0.38, 0.4, 0.43),
    "flared": (0.38, 0.33, 0.25, 0.27, 0.4),
    "tapered": (0.41, 0.38, 0.3, 0.25, 0.15),
}
"""Half-widths of a leg at hip, mid thigh, knee, calf and ankle."""


@dataclass(frozen=True)
class Trousers:
    """A cut. `ends` is where the legs end: 1 is the knee, 2 the ankle; `widths` at its five heights."""

    top: float
    ends: float
    widths: tuple[float, ...]
    loose: float
    crease: bool
    jeans: bool


def draw_pants(chance: Chance, jeans: bool) -> Trousers:
    """Long trousers."""
    cut = chance.weighted({"skinny": 0.22, "straight": 0.3, "wide": 0.2, "flared": 0.13, "tapered": 0.15})
    ends = chance.between(1.72, 1.9) if chance.coin(0.25) else chance.between(2.0, 2.12)
    loose = 0.02 if cut == "skinny" else 0.05
    return Trousers(chance.between(2.95, 3.2), ends, LONG_CUTS[cut], loose, not jeans and chance.coin(0.5), jeans)


def draw_shorts(chance: Chance, jeans: bool) -> Trousers:
    """Shorts from the upper thigh to just above the knee."""
    ends = chance.between(0.34, 0.78)
    flare = chance.between(-0.05, 0.08)
    widths = (0.39, 0.38 + 0.4 * flare, 0.36 + 0.7 * flare, 0.35 + flare, 0.34 + flare)
    return Trousers(chance.between(2.95, 3.25), ends, widths, 0.04 + 0.3 * flare, chance.coin(0.25), jeans)


def paint_trousers(canvas: Canvas, figure: Figure, wear: Wear, trousers: Trousers) -> Field:
    """Paint them; the result is what they cover."""
    block = _hips(figure, trousers)
    near, far = figure.front, 1 - figure.front
    legs = [_leg(figure, trousers, index) for index in (0, 1)]
    alpha = canvas.coverage(block, *legs)
    front = canvas.coverage(legs[near])
    canvas.cast(alpha, 0.12, 0.35)
    shade = folds(canvas, _creases(figure, trousers)) * (0.35 + 0.65 * volume(canvas, front, 0.16, 0.35))
    behind = np.clip(canvas.coverage(legs[far]) - front - canvas.coverage(block), 0, 1)
    shade *= 1.0 - 0.45 * behind * canvas.blurred(front, 0.12)
    lay(canvas, figure, wear, alpha, shade, 0.17)
    _details(canvas, figure, trousers, alpha, wear)
    return alpha


def _hips(figure: Figure, trousers: Trousers) -> Points:
    width = figure.width(trousers.top) + 0.02
    hip = figure.hip + trousers.loose
    half = spline(points([[width, trousers.top], [0.96 * hip, HIP - 0.35], [hip, HIP], [0.98 * hip, CROTCH],
                          [0.45 * hip, CROTCH + 0.2], [0.0, CROTCH + 0.08]]), 6)  # fmt: skip
    top = points([[0.0, trousers.top + 0.03], [0.5 * width, trousers.top + 0.025]])
    return figure.place(mirrored(np.concatenate([top, half])))


def _shares(trousers: Trousers) -> tuple[float, ...]:
    end = trousers.ends
    return (0.0, 0.5, 1.0, 1.4, end) if end > 1.5 else (0.0, 0.25 * end, 0.5 * end, 0.75 * end, end)


def _leg(figure: Figure, trousers: Trousers, index: int) -> Points:
    widths = list(trousers.widths)
    return tube(knots(figure.legs[index], _shares(trousers)), widths, rounded=False)


def _creases(figure: Figure, trousers: Trousers) -> list[Fold]:
    found = []
    for index, side in ((0, -1), (1, 1)):
        joints = figure.legs[index]
        top, end = knots(joints, (0.0, trousers.ends))
        fork = figure.place(points([[0.0, CROTCH - 0.02]]))[0]
        found.append(Fold(fork, top + at(side * 0.22, 0.12), 0.05, 0.16))
        found.append(Fold(fork + at(0.0, 0.12), top + at(side * 0.1, 0.55), 0.06, 0.13))
        if trousers.ends > 1.5:
            knee, low = joints[1], knots(joints, (trousers.ends - 0.22,))[0]
            for k in (-1, 0, 1):
                y = 0.12 * k
                found.append(Fold(knee + at(-0.2, y + 0.05 * side), knee + at(0.2, y - 0.06 * side), 0.045, 0.1))
                found.append(Fold(low + at(-0.2, y - 0.04), low + at(0.2, y + 0.05), 0.04, 0.1))
        if trousers.crease:
            found.append(Fold(top + at(0.0, 0.2), end, 0.07, 0.14))
    return found


def _details(canvas: Canvas, figure: Figure, trousers: Trousers, alpha: Field, wear: Wear) -> None:
    top = trousers.top
    width = figure.width(top) + 0.02
    middle = 0.16 * figure.turn
    waistband = canvas.coverage(band(figure, width, top, top + 0.15))
    canvas.darken(0.1 * waistband * alpha)
    t = np.linspace(-1, 1, 15)
    low_edge = figure.place(np.column_stack([t * (width + 0.06), top + 0.16 + 0.03 * (1 - t**2)]))
    seam(canvas, low_edge, alpha, 0.35)
    fly = figure.place(points([[middle, top + 0.03], [middle, CROTCH - 0.1], [0.0, CROTCH + 0.12]]))
    seam(canvas, fly, alpha, 0.35)
    hems = [knots(joints, (trousers.ends,))[0] for joints in figure.legs]
    seam(canvas, np.stack([fly[-1], 0.5 * (hems[0] + hems[1])]), alpha, 0.6, 0.06)
    _pockets(canvas, figure, trousers, alpha)
    for index in (0, 1):
        near_end, end = knots(figure.legs[index], (trousers.ends - 0.06, trousers.ends))
        ahead = heading(near_end, end)
        normal = at(-ahead[1], ahead[0]) * (trousers.widths[-1] + 0.04)
        seam(canvas, np.stack([near_end - normal, near_end + normal]), alpha, 0.3)
    x, y = figure.place(points([[middle, top + 0.11]]))[0]
    ground = wear.fabric.ground
    metal = palette.colour("c9a26b") if trousers.jeans else palette.mix(ground, palette.ink_on(ground), 0.55)
    button(canvas, float(x), float(y), 0.04, metal)


def _pockets(canvas: Canvas, figure: Figure, trousers: Trousers, alpha: Field) -> None:
    width, top = figure.width(trousers.top) + 0.02, trousers.top
    for side in (-1, 1):
        inner = side * 0.55 * width + 0.16 * figure.turn
        path = figure.place(
            points([[inner, top + 0.18], [side * (width + 0.02), top + 0.55], [side * (width + 0.14), top + 0.62]])
        )
        seam(canvas, path, alpha, 0.35)
        if trousers.jeans:
            stitch(canvas, path + at(0.0, 0.035), alpha, palette.colour("c98a4b"))
