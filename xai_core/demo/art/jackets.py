"""An open jacket, worn over what is labelled: it hides the sides of a bodice and leaves its middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.demo.art.canvas import Canvas
from xai_core.demo.art.chance import Chance
from xai_core.demo.art.cloth import Wear, lay, seam
from xai_core.demo.art.fabrics import Fabric, plain
from xai_core.demo.art.figure import WAIST, Figure
from xai_core.demo.art.geometry import Points, points, spline
from xai_core.demo.art.palette import apart
from xai_core.demo.art.shading import Fold, folds
from xai_core.demo.art.tops import Top


@dataclass(frozen=True)
class Jacket:
    """A short plain jacket. `opening` is the half-width of what it leaves free; `cut` holds sleeves and length."""

    fabric: Fabric
    cut: Top
    opening: float


def draw_jacket(chance: Chance, below: Fabric, waist: float, longest: float) -> Jacket:
    """A jacket that ends near the waist, of another colour than what it is worn with."""
    fabric = plain(apart(chance, below.ground, 0.36), chance.between(0.01, 0.06))
    sleeve = min(longest, chance.pick((1.2, 1.9)))
    cut = Top("round", False, sleeve, chance.between(0.07, 0.11), waist + chance.between(-0.02, 0.25), 0.06, False)
    return Jacket(fabric, cut, chance.between(0.13, 0.27))


def paint_jacket(canvas: Canvas, figure: Figure, wear: Wear, jacket: Jacket) -> None:
    """Paint its two sides; sleeves are painted with the arms."""
    for side in (-1.0, 1.0):
        outline, edge = _panel(figure, jacket, side)
        alpha = canvas.coverage(figure.place(outline))
        canvas.cast(alpha, 0.07, 0.35)
        ends = figure.place(points([[side * (figure.bust - 0.05), 2.1], [side * jacket.opening, 2.7]]))
        lay(canvas, figure, wear, alpha, folds(canvas, [Fold(ends[0], ends[1], 0.07, 0.12)]), 0.14)
        seam(canvas, figure.place(edge), alpha, 0.3, 0.03)


def _panel(figure: Figure, jacket: Jacket, side: float) -> tuple[Points, Points]:
    """One side's outline and its front edge, about x = 0."""
    bottom = jacket.cut.bottom
    low = figure.width(bottom) + 0.06
    outer = spline(points([[0.26, 1.4], [figure.shoulder - 0.04, 1.53], [figure.bust + 0.05, 2.02],
                           [figure.waist + 0.07, min(WAIST, bottom - 0.05)], [low, bottom]]), 5)  # fmt: skip
    edge = spline(points([[jacket.opening, bottom + 0.03], [jacket.opening + 0.02, 2.4], [0.2, 1.75], [0.2, 1.4]]), 5)
    return np.concatenate([outer, edge]) * [side, 1.0], edge * [side, 1.0]
