"""What every garment shares: which part of it hangs how, and how cloth is laid on the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.demo.art.canvas import Canvas, Field, large
from xai_core.demo.art.fabrics import Fabric
from xai_core.demo.art.figure import Figure
from xai_core.demo.art.geometry import Points, ellipse, mirrored, points
from xai_core.demo.art.palette import Colour
from xai_core.demo.art.shading import volume


@dataclass(frozen=True)
class Wear:
    """One garment being painted: its cloth, the unevenness of its threads, and whether it is the labelled one."""

    fabric: Fabric
    noise: Field
    owned: bool


def lay(
    canvas: Canvas, figure: Figure, wear: Wear, alpha: Field, shade: Field | float = 1.0, radius: float = 0.2,
    profile: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> None:  # fmt: skip
    """Paint cloth where `alpha` is.

    Args:
        shade: folds, multiplied with the light on the whole shape.
        radius: how far from its rim the shape is round.
        profile: heights and half-widths for fabrics that spread with the garment; the torso's where None.
    """
    rows, columns = canvas.box(alpha)
    x, y = (grid[large(rows), large(columns)] for grid in canvas.fine)
    across = x - figure.shift(y)
    if wear.fabric.fans:
        heights, widths = profile or ((1.5, 3.0, 3.95), (figure.shoulder, figure.waist, figure.hip))
        across = across / np.interp(y, heights, widths) * 0.62
    colours = np.zeros((canvas.size, canvas.size, 3))
    colours[rows, columns] = wear.fabric.colours(across, y, wear.noise[rows, columns])
    canvas.paint(alpha, colours, volume(canvas, alpha, radius) * shade, wear.owned)


def band(figure: Figure, width: float, top: float, bottom: float, ease: float = 0.01) -> Points:
    """A belt or waistband round the body between two heights."""
    sag = 0.03
    half = points([[0.0, top + sag], [0.5 * width, top + 0.8 * sag], [width + ease, top], [width + ease, bottom],
                   [0.5 * width, bottom + 0.8 * sag], [0.0, bottom + sag]])  # fmt: skip
    return figure.place(mirrored(half))


def seam(canvas: Canvas, path: Points, alpha: Field, strength: float = 0.3, width: float = 0.025) -> None:
    """A dark line on cloth."""
    canvas.darken(strength * canvas.line(path, width) * alpha)


def stitch(canvas: Canvas, path: Points, alpha: Field, thread: Colour) -> None:
    """A coloured thread on cloth."""
    canvas.tint(0.6 * canvas.line(path, 0.02) * alpha, thread)


def button(canvas: Canvas, x: float, y: float, radius: float, colour: Colour) -> None:
    """A round button with its shadow."""
    canvas.darken(0.3 * canvas.coverage(ellipse(x, y + 0.3 * radius, 1.2 * radius, 1.2 * radius)))
    canvas.tint(canvas.coverage(ellipse(x, y, radius, radius)), colour)
