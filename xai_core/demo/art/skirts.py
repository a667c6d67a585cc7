"""What hangs from the waist: skirts, and the lower part of dresses, drawn by the same functions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xai_core.demo.art.canvas import Canvas, Field
from xai_core.demo.art.chance import Chance
from xai_core.demo.art.cloth import Wear, lay, seam
from xai_core.demo.art.figure import HIP, Figure
from xai_core.demo.art.geometry import Points, at, points, spline
from xai_core.demo.art.shading import Fold, Waves, folds

CUTS = {"a-line": 0.3, "flared": 0.22, "pencil": 0.18, "pleated": 0.16, "tiered": 0.14}


@dataclass(frozen=True)
class Skirt:
    """A skirt's cut. Heights and half-widths in body units.

    Attributes:
        cut: one of CUTS.
        top, hem: heights of waist and hem.
        heights, widths: its half-width from top to hem.
        waves: how its cloth undulates; `swing` how far the hem follows them.
    """

    cut: str
    top: float
    hem: float
    heights: tuple[float, ...]
    widths: tuple[float, ...]
    waves: Waves
    swing: float


def draw_skirt(chance: Chance, figure: Figure, top: float, longest: float = 7.2) -> Skirt:
    """A cut, a length and the folds, hanging from height `top`."""
    cut = chance.weighted(CUTS)
    length = chance.weighted({"mini": 0.2, "knee": 0.42, "midi": 0.38})
    hem = {"mini": chance.between(4.75, 5.3), "knee": chance.between(5.4, 6.1), "midi": chance.between(6.2, longest)}
    bottom = hem[length]
    spread = {"a-line": (0.09, 0.2), "flared": (0.22, 0.42), "pencil": (-0.05, 0.02), "pleated": (0.12, 0.3),
              "tiered": (0.14, 0.3)}[cut]  # fmt: skip
    hip = figure.hip * 1.04 + (0.05 if cut in ("flared", "tiered", "pleated") else 0.0)
    wide = max(hip + chance.between(*spread) * (bottom - HIP), _legs_reach(figure, bottom))
    waves = _waves(chance, cut)
    swing = {"a-line": 0.03, "flared": 0.1, "pencil": 0.0, "pleated": 0.035, "tiered": 0.05}[cut]
    heights, widths = (top, HIP - 0.35, HIP, bottom), (figure.waist + 0.03, 0.94 * hip, hip, wide)
    return Skirt(cut, top, bottom, heights, widths, waves, swing * chance.between(0.7, 1.3))


def _legs_reach(figure: Figure, y: float) -> float:
    """How far the legs stand from the middle at height `y`: what a skirt must cover there."""
    middle = float(figure.shift(np.array(y)))
    return max(float(np.interp(y, leg[:, 1], np.abs(leg[:, 0] - middle))) for leg in figure.legs) + 0.24


def _waves(chance: Chance, cut: str) -> Waves:
    if cut == "pleated":
        return Waves((chance.between(7.0, 11.0),), (chance.between(0, 6.3),), (1.0,), sharp=1.5)
    count = {"a-line": 1.6, "flared": 2.6, "pencil": 0.8, "tiered": 4.0}[cut] * chance.between(0.85, 1.2)
    phases = (chance.between(0, 2 * math.pi), chance.between(0, 2 * math.pi))
    return Waves((count, 1.7 * count), phases, (0.65, 0.35))


def outline(figure: Figure, skirt: Skirt) -> Points:
    """The closed silhouette."""
    side = spline(points(list(zip(skirt.widths, skirt.heights, strict=True))), 6)
    t = np.linspace(1.0, -1.0, 41)
    hem = skirt.hem + 0.09 * (1 - t**2) + skirt.swing * skirt.waves.height(t)
    bottom = np.column_stack([t * skirt.widths[-1], hem])
    left = side[::-1] * [-1.0, 1.0]
    waist = points([[-0.5 * skirt.widths[0], skirt.top + 0.03], [0.5 * skirt.widths[0], skirt.top + 0.03]])
    return figure.place(np.concatenate([side, bottom, left, waist]))


def paint_skirt(canvas: Canvas, figure: Figure, wear: Wear, skirt: Skirt) -> Field:
    """Paint it; the result is what it covers."""
    alpha = canvas.coverage(outline(figure, skirt))
    canvas.cast(alpha, 0.2, 0.4)
    t = (canvas.x - figure.shift(canvas.y)) / np.interp(canvas.y, skirt.heights, skirt.widths)
    down = np.clip((canvas.y - skirt.top) / (skirt.hem - skirt.top), 0, 1)
    shade = _fold_light(canvas, skirt, t, down) * _drape(canvas, figure, skirt)
    lay(canvas, figure, wear, alpha, shade, 0.24, (skirt.heights, skirt.widths))
    _finish(canvas, figure, skirt, alpha)
    return alpha


def _fold_light(canvas: Canvas, skirt: Skirt, t: Field, down: Field) -> Field:
    depth = {"a-line": 0.09, "flared": 0.17, "pencil": 0.03, "pleated": 0.16, "tiered": 0.12}[skirt.cut]
    grow = down**0.8 if skirt.cut != "pleated" else 0.35 + 0.65 * down
    if skirt.cut == "tiered":
        grow = 0.35 + 0.65 * (down * 3.0 % 1.0)
    light = canvas.light * skirt.waves.slope(t) + 0.5 * skirt.waves.height(t)
    return 1.0 + depth * grow * np.clip(light, -1.3, 1.3)


def _drape(canvas: Canvas, figure: Figure, skirt: Skirt) -> Field:
    """Creases from the hips inwards, and the thighs under a narrow skirt."""
    x, hip = float(figure.shift(np.array(HIP))), figure.hip
    if skirt.cut != "pencil":
        return np.ones_like(canvas.x)
    low = min(skirt.hem - 0.1, HIP + 1.0)
    return folds(canvas, [
        Fold(at(x - 0.8 * hip, HIP - 0.2), at(x - 0.1 * hip, HIP + 0.25), 0.06, 0.1),
        Fold(at(x + 0.8 * hip, HIP - 0.15), at(x + 0.1 * hip, HIP + 0.3), 0.06, 0.1),
        Fold(at(x, HIP + 0.3), at(x + 0.05, low + 0.4), 0.14, 0.1),
    ])  # fmt: skip


def _finish(canvas: Canvas, figure: Figure, skirt: Skirt, alpha: Field) -> None:
    t = np.linspace(-1.0, 1.0, 31)
    up = 0.1
    hem = skirt.hem - up + 0.09 * (1 - t**2) + skirt.swing * skirt.waves.height(t)
    seam(canvas, figure.place(np.column_stack([t * skirt.widths[-1], hem])), alpha, 0.16, 0.02)
    if skirt.cut != "tiered":
        return
    for share in (1 / 3, 2 / 3):
        y = skirt.top + share * (skirt.hem - skirt.top)
        wide = float(np.interp(y, skirt.heights, skirt.widths))
        ruffle = y + 0.05 * (1 - t**2) + 0.02 * np.sin(30 * t)
        seam(canvas, figure.place(np.column_stack([t * wide, ruffle])), alpha, 0.4, 0.035)
