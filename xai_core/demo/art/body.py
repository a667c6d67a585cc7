"""The parts of the figure that clothes leave bare, and its shoes."""

from __future__ import annotations

from xai_core.demo.art import palette
from xai_core.demo.art.canvas import Canvas, Field
from xai_core.demo.art.figure import CROTCH, HIP, WAIST, Figure, heading, knots
from xai_core.demo.art.geometry import Points, at, ellipse, mirrored, points, spline, tube
from xai_core.demo.art.palette import Colour
from xai_core.demo.art.shading import volume

LEG_WIDTHS = (0.36, 0.3, 0.195, 0.21, 0.1)
ARM_WIDTHS = (0.165, 0.15, 0.12, 0.125, 0.075)
FACE = points([[0.0, -0.5], [0.33, -0.35], [0.37, 0.0], [0.25, 0.36], [0.0, 0.5], [-0.25, 0.36], [-0.37, 0.0],
               [-0.33, -0.35]])  # fmt: skip
FRINGE = points([[-0.41, 0.12], [-0.42, -0.3], [-0.2, -0.56], [0.0, -0.6], [0.2, -0.56], [0.42, -0.3], [0.41, 0.12],
                 [0.33, -0.12], [0.16, -0.36], [-0.33, -0.1]])  # fmt: skip


def limb(joints: Points, widths: tuple[float, ...]) -> Points:
    """The outline of a bare arm or leg."""
    return tube(knots(joints), widths)


def paint_skin(canvas: Canvas, figure: Figure, alpha: Field, radius: float = 0.13) -> None:
    """Lay skin where `alpha` is."""
    canvas.paint(alpha, figure.skin, volume(canvas, alpha, radius, 0.4))


def paint_legs(canvas: Canvas, figure: Figure, shoe: Colour, heels: bool) -> None:
    """Bare legs, the one behind first, with shoes."""
    for index in (1 - figure.front, figure.front):
        with canvas.part("legs"):
            leg = canvas.coverage(limb(figure.legs[index], LEG_WIDTHS), *_foot(figure, index))
            canvas.cast(leg, 0.1, 0.3)
            paint_skin(canvas, figure, leg)
        with canvas.part("shoes"):
            paint_shoe(canvas, figure, index, shoe, heels)


def _foot(figure: Figure, index: int) -> tuple[Points, ...]:
    x, y = figure.legs[index][2]
    out = (1 if index else -1) * 0.07 + 0.12 * figure.turn
    return (tube(points([[x, y - 0.05], [x + 0.4 * out, y + 0.17], [x + out, y + 0.33]]), (0.1, 0.12, 0.1)),)


def paint_shoe(canvas: Canvas, figure: Figure, index: int, shoe: Colour, heels: bool) -> None:
    """A shoe on one foot: a pump that leaves the instep bare, or a closed one."""
    x, y = figure.legs[index][2]
    out = (1 if index else -1) * 0.07 + 0.12 * figure.turn
    top = 0.2 if heels else 0.08
    outline = tube(
        points([[x + 0.5 * out, y + top], [x + 0.8 * out, y + 0.27], [x + out, y + 0.37]]), (0.1, 0.15, 0.11)
    )
    alpha = canvas.coverage(outline)
    canvas.paint(alpha, shoe, volume(canvas, alpha, 0.07, 0.35))


def paint_torso(canvas: Canvas, figure: Figure) -> None:
    """Neck, shoulders and trunk."""
    half = spline(points([[0.17, 1.0], [0.18, 1.33], [0.36, 1.46], [figure.shoulder - 0.1, 1.55],
                          [figure.shoulder - 0.02, 1.75], [figure.bust, 2.1], [figure.waist, WAIST],
                          [figure.hip, HIP], [0.9 * figure.hip, CROTCH]]))  # fmt: skip
    alpha = canvas.coverage(figure.place(mirrored(half)))
    paint_skin(canvas, figure, alpha, 0.2)
    throat = canvas.coverage(figure.place(ellipse(0.05 * figure.turn, 1.1, 0.2, 0.2)))
    canvas.darken(0.25 * canvas.blurred(throat, 0.07) * alpha)


def paint_arm(canvas: Canvas, figure: Figure, index: int) -> None:
    """A bare arm with its hand."""
    joints = figure.arms[index]
    wrist, ahead = joints[2], heading(joints[1], joints[2])
    hand = tube(points([wrist - 0.05 * ahead, wrist + 0.18 * ahead, wrist + 0.4 * ahead]), (0.075, 0.105, 0.05))
    alpha = canvas.coverage(limb(joints, ARM_WIDTHS), hand)
    canvas.cast(alpha, 0.1, 0.25)
    paint_skin(canvas, figure, alpha, 0.09)


def head_centre(figure: Figure) -> Points:
    """Where the head is."""
    return figure.place(points([[0.03 * figure.turn, 0.55]]))[0]


def paint_head(canvas: Canvas, figure: Figure, style: str) -> None:
    """A face with hardly a feature, under hair: `short`, `bob`, `long` or `bun`."""
    x, y = head_centre(figure)
    alpha = canvas.coverage(spline(FACE + at(x, y), closed=True))
    canvas.cast(alpha, 0.1, 0.2)
    paint_skin(canvas, figure, alpha, 0.16)
    middle = x + 0.1 * figure.turn
    canvas.darken(0.16 * canvas.blurred(canvas.coverage(ellipse(middle, y + 0.04, 0.24, 0.05)), 0.06))
    canvas.tint(0.5 * canvas.coverage(ellipse(middle, y + 0.29, 0.09, 0.03)), palette.colour("a8483f"))
    fringe = spline(FRINGE * at(1.0 if figure.turn >= 0 else -1.0, 1.0) + at(x, y), closed=True)
    crown = [fringe] if style != "bun" else [fringe, ellipse(x, y - 0.66, 0.2, 0.18)]
    hair = canvas.coverage(*crown)
    with canvas.part("hair"):
        canvas.paint(hair, figure.hair, volume(canvas, hair, 0.12, 0.45))


def paint_back_hair(canvas: Canvas, figure: Figure, style: str) -> None:
    """The hair that hangs behind the neck."""
    if style in ("short", "bun"):
        return
    x, y = head_centre(figure)
    low = 1.35 if style == "long" else 0.55
    shape = points([[0.0, -0.58], [0.38, -0.4], [0.46, 0.1], [0.44 + 0.05 * low, low], [0.0, low + 0.08],
                    [-0.44 - 0.05 * low, low], [-0.46, 0.1], [-0.38, -0.4]])  # fmt: skip
    alpha = canvas.coverage(spline(shape + at(x, y), closed=True))
    canvas.paint(alpha, 0.8 * figure.hair, volume(canvas, alpha, 0.15, 0.35))
