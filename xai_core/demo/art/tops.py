"""What covers the chest: tees, plain tops and the bodices of dresses, drawn by the same functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.demo.art.body import ARM_WIDTHS
from xai_core.demo.art.canvas import Canvas, Field
from xai_core.demo.art.chance import Chance
from xai_core.demo.art.cloth import Wear, lay, seam
from xai_core.demo.art.figure import WAIST, Figure, heading, knots
from xai_core.demo.art.geometry import Points, at, mirrored, points, spline, tube
from xai_core.demo.art.shading import Fold, folds

NECKS = {"round": (0.27, 0.2), "scoop": (0.36, 0.42), "v": (0.28, 0.62), "boat": (0.46, 0.12), "square": (0.38, 0.42)}
"""Half-width of the neckline at the shoulder, and its depth."""


@dataclass(frozen=True)
class Top:
    """A top's cut.

    Attributes:
        neck: one of NECKS, or `strapless`.
        straps: narrow straps instead of shoulders.
        sleeve: how far down the arm the sleeves go: 0 none, 1 the elbow, 2 the wrist.
        wide: how much wider than the arm a sleeve is.
        bottom: height of its lower edge.
        ease: how much wider than the body it is.
        rib: whether the neckline has a ribbed collar.
    """

    neck: str
    straps: bool
    sleeve: float
    wide: float
    bottom: float
    ease: float
    rib: bool


def draw_plain_top(chance: Chance, bottom: float, longest: float) -> Top:
    """A simple top, tucked in at `bottom`; its sleeves end above `longest` (see `Top.sleeve`)."""
    sleeve = min(longest, chance.weighted({0.0: 0.3, 0.55: 0.35, 1.9: 0.35}))
    return Top(chance.weighted({"round": 0.4, "scoop": 0.25, "v": 0.2, "boat": 0.15}), sleeve == 0 and chance.coin(),
               sleeve, chance.between(0.03, 0.08), bottom, chance.between(0.02, 0.08), sleeve > 0)  # fmt: skip


def draw_bodice(chance: Chance, bottom: float, longest: float) -> Top:
    """The upper part of a dress, ending at its waist seam; its sleeves end above `longest`."""
    neck = chance.weighted({"round": 0.2, "scoop": 0.2, "v": 0.28, "square": 0.14, "boat": 0.08, "strapless": 0.1})
    sleeve = 0.0 if neck == "strapless" else min(longest, chance.weighted({0.0: 0.45, 0.35: 0.2, 0.7: 0.17, 1.9: 0.18}))
    straps = sleeve == 0 and neck not in ("strapless", "boat") and chance.coin(0.6)
    return Top(neck, straps, sleeve, chance.between(0.03, 0.12), bottom, 0.025, False)


def draw_tee(chance: Chance) -> Top:
    """A tee that hangs over the hips, or is cropped at the waist."""
    bottom = chance.between(3.05, 3.35) if chance.coin(0.25) else chance.between(3.7, 4.3)
    neck = chance.weighted({"round": 0.7, "v": 0.12, "scoop": 0.18})
    return Top(neck, False, chance.between(0.45, 0.8), chance.between(0.06, 0.14), bottom, chance.between(0.05, 0.2),
               True)  # fmt: skip


def body_outline(figure: Figure, top: Top) -> Points:
    """The closed silhouette without sleeves."""
    bust = figure.bust + 0.5 * top.ease
    waist = figure.width(min(top.bottom, WAIST)) + top.ease
    sides = [[bust + 0.02, 2.05], [bust - 0.01, 2.3], [waist, min(WAIST, top.bottom)]]
    if top.bottom > WAIST + 0.15:
        sides.append([figure.width(top.bottom) + top.ease, top.bottom])
    drop = points([[0.5 * sides[-1][0], top.bottom + 0.03], [0.0, top.bottom + 0.04]])
    half = np.concatenate([_upper_edge(figure, top), spline(points(sides), 5), drop])
    return figure.place(mirrored(half))


def _upper_edge(figure: Figure, top: Top) -> Points:
    if top.neck == "strapless":
        return spline(points([[0.0, 1.98], [0.28, 1.84], [figure.bust - 0.02, 1.9]]), 5)
    wide, depth = NECKS[top.neck]
    shoulder = figure.shoulder - 0.04
    if top.straps:
        wide, shoulder = 0.4, 0.5
    edge = 1.38 + 0.2 * wide
    neckline = {
        "v": points([[0.0, edge + depth], [wide, edge]]),
        "square": points([[0.0, edge + depth], [0.9 * wide, edge + depth], [wide, edge]]),
    }.get(top.neck, spline(points([[0.0, edge + depth], [0.62 * wide, edge + 0.75 * depth], [wide, edge]]), 5))
    armhole = points([[shoulder, 1.36 + 0.24 * shoulder], [0.96 * shoulder, 1.75], [figure.bust + 0.02, 2.0]])
    return np.concatenate([neckline, spline(armhole, 4)])


def paint_top(canvas: Canvas, figure: Figure, wear: Wear, top: Top) -> Field:
    """Paint the body of a top; the result is what it covers."""
    alpha = canvas.coverage(body_outline(figure, top))
    canvas.cast(alpha, 0.1, 0.3)
    lay(canvas, figure, wear, alpha, folds(canvas, _creases(figure, top)), 0.2)
    if top.rib:
        edge = _upper_edge(figure, top)
        count = 2 if top.neck == "v" else 11
        seam(canvas, figure.place(mirrored(edge[:count] + at(0.0, 0.07))), alpha, 0.22, 0.03)
    if top.bottom > WAIST + 0.15:
        wide = figure.width(top.bottom) + top.ease
        t = np.linspace(-1, 1, 13)
        hem = figure.place(np.column_stack([t * wide, top.bottom - 0.09 + 0.04 * (1 - t**2)]))
        seam(canvas, hem, alpha, 0.2, 0.02)
    return alpha


def _creases(figure: Figure, top: Top) -> list[Fold]:
    found = []
    for side in (-1, 1):
        pit = figure.place(points([[side * (figure.bust + 0.02), 2.02], [side * 0.2, 2.3], [side * 0.34, 2.62],
                                   [side * (figure.waist + 0.1), min(top.bottom, WAIST)], [side * 0.1, 2.75],
                                   [side * 0.26, 2.15]]))  # fmt: skip
        found += [Fold(pit[0], pit[1], 0.05, 0.13), Fold(pit[0], pit[2], 0.06, 0.11), Fold(pit[3], pit[4], 0.05, 0.12)]
        found.append(Fold(pit[5] + at(-0.2, 0.16), pit[5] + at(0.2, 0.16), 0.13, 0.1))
        if top.bottom > WAIST + 0.15:
            low = figure.place(points([[side * 0.55, top.bottom - 0.1], [side * 0.2, WAIST - 0.1]]))
            found.append(Fold(low[0], low[1], 0.07, 0.12))
    return found


def paint_sleeve(canvas: Canvas, figure: Figure, wear: Wear, top: Top, index: int, end: float = 2.0) -> None:
    """The sleeve over one arm, if the top has sleeves; at most down to `end`, 1 being the elbow."""
    if top.sleeve <= 0:
        return
    end = min(end, top.sleeve)
    shares = (0.0, 0.25 * end, 0.5 * end, 0.75 * end, end)
    widths = np.interp(shares, (0.0, 0.5, 1.0, 1.4, 2.0), ARM_WIDTHS) + top.wide
    widths[0] += 0.02
    joints = knots(figure.arms[index], shares)
    alpha = canvas.coverage(tube(joints, list(widths), rounded=False), _cap(figure, index, float(widths[0])))
    canvas.cast(alpha * (1 - wear.owned), 0.08, 0.2)
    lay(canvas, figure, wear, alpha, folds(canvas, [Fold(joints[1], joints[-1], 0.07, 0.12)]), 0.11)
    if end < top.sleeve:
        return
    ahead = heading(joints[-2], joints[-1])
    normal = at(-ahead[1], ahead[0]) * widths[-1]
    edge = joints[-1] - 0.07 * ahead
    seam(canvas, np.stack([edge - normal, edge + normal]), alpha, 0.25, 0.02)


def _cap(figure: Figure, index: int, radius: float) -> Points:
    """The round of the shoulder, so that the sleeve joins the body."""
    side = 1 if index else -1
    shoulder = figure.arms[index][0]
    inner = figure.place(points([[side * (figure.shoulder - 0.4), 1.47], [side * (figure.bust - 0.2), 2.08]]))
    return spline(np.stack([inner[0], shoulder + at(side * 0.6 * radius, -0.55 * radius),
                            shoulder + at(side * radius, 0.2), inner[1]]), 5, closed=True)  # fmt: skip
