"""The figure: proportions, pose, and the parts of it that clothes leave bare."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xai_core.garment_art import palette
from xai_core.garment_art.canvas import Canvas, Field
from xai_core.garment_art.chance import Chance
from xai_core.garment_art.geometry import Points, along, ellipse, mirrored, points, spline, tube
from xai_core.garment_art.palette import Colour
from xai_core.garment_art.shading import volume

WAIST, HIP, CROTCH, KNEE, ANKLE = 3.0, 3.95, 4.35, 5.95, 7.6
"""Heights on the figure, in heads from the crown."""


@dataclass(frozen=True)
class Figure:
    """One person in one pose. Body space; index 0 is the limb at the picture's left, 1 at its right.

    Attributes:
        shoulder, bust, waist, hip: half-widths.
        turn: −1 … 1, how far the figure is turned to the right.
        shifts: how far shoulders, hips and feet stand to the right of the waist.
        tilts: slopes of shoulders and hips.
        arms, legs: joints of each limb, `(3, 2)`: shoulder, elbow, wrist; hip, knee, ankle.
        front: the leg (0 or 1) that stands in front of the other.
    """

    shoulder: float
    bust: float
    waist: float
    hip: float
    turn: float
    shifts: tuple[float, float, float]
    tilts: tuple[float, float]
    skin: Colour
    hair: Colour
    arms: tuple[Points, Points]
    legs: tuple[Points, Points]
    behind: bool
    front: int

    def shift(self, y: Points) -> Points:
        """How far the middle of the body lies to the right at height `y`."""
        return _shift(self.shifts, y)

    def place(self, outline: Points) -> Points:
        """A symmetric drawing (about x = 0) bent into the pose."""
        return _place(self.shifts, self.tilts, self.turn, outline)

    def width(self, y: Points) -> Points:
        """Half-width of the torso at height `y`."""
        return np.interp(y, [1.5, 2.0, WAIST, HIP, CROTCH], [self.shoulder, self.bust, self.waist, self.hip, self.hip])


def _shift(shifts: tuple[float, float, float], y: Points) -> Points:
    chest, hip, feet = shifts
    return np.interp(y, [0.5, 1.6, WAIST, HIP, 7.9], [1.2 * chest, chest, 0.0, hip, feet])


def _place(shifts: tuple[float, float, float], tilts: tuple[float, float], turn: float, outline: Points) -> Points:
    x, y = outline[:, 0] * (1.0 - 0.1 * abs(turn)), outline[:, 1]
    tilt = np.interp(y, [1.5, WAIST, HIP, 6.5], [tilts[0], 0.4 * tilts[1], tilts[1], 0.0])
    return np.column_stack([x + _shift(shifts, y), y + tilt * x])


def draw_figure(chance: Chance) -> Figure:
    """A person and a pose."""
    build = chance.between(0.9, 1.14)
    weight = chance.side() * chance.between(0.0, 1.0)
    shifts = (-0.07 * weight, 0.12 * weight, 0.05 * weight)
    tilts = (0.07 * weight, -0.09 * weight)
    turn = chance.side() * chance.between(0.0, 1.0)
    shoulder, hip = 0.77 * build * chance.between(0.96, 1.04), 0.69 * build * chance.between(0.95, 1.05)
    spread = chance.between(0.04, 0.4)
    cross = chance.coin(0.15)
    arms, behind = _arms(chance, shifts, tilts, turn, shoulder, hip)
    legs = tuple(_leg(chance, side, shifts, tilts, turn, hip, spread, cross, weight) for side in (-1, 1))
    return Figure(
        shoulder=shoulder, bust=0.6 * build, waist=0.47 * build, hip=hip, turn=turn, shifts=shifts, tilts=tilts,
        skin=palette.jitter(chance, chance.pick(palette.SKINS), 0.02), hair=chance.pick(palette.HAIRS), arms=arms,
        legs=(legs[0], legs[1]), behind=behind, front=1 if weight < 0 else 0,
    )  # fmt: skip


def _leg(
    chance: Chance, side: int, shifts: tuple[float, float, float], tilts: tuple[float, float], turn: float,
    hip: float, spread: float, cross: bool, weight: float,
) -> Points:  # fmt: skip
    top = _place(shifts, tilts, turn, points([[side * 0.5 * hip, CROTCH - 0.35]]))[0]
    free = max(0.0, side * -weight)  # the leg that carries no weight bends
    reach = 0.18 + spread if not cross else 0.02
    ankle_x = shifts[2] + side * (reach + 0.16 * free) + chance.between(-0.03, 0.03)
    knee_x = 0.5 * (top[0] + ankle_x) + side * (0.05 + 0.1 * free)
    return points([top, [knee_x, KNEE - 0.06 * free], [ankle_x, ANKLE - 0.12 * free]])


def _arms(
    chance: Chance, shifts: tuple[float, float, float], tilts: tuple[float, float], turn: float,
    shoulder: float, hip: float,
) -> tuple[tuple[Points, Points], bool]:  # fmt: skip
    style = chance.weighted({"hang": 0.42, "one hip": 0.24, "both hips": 0.1, "raised": 0.12, "back": 0.12})
    busy = chance.side()
    arms = []
    for side in (-1, 1):
        kind = style
        if style in ("one hip", "raised") and side != busy:
            kind = "hang"
        arms.append(_arm(chance, kind, side, _place(shifts, tilts, turn, points([[side * (shoulder - 0.13), 1.66]]))[0],
                         hip))  # fmt: skip
    return (arms[0], arms[1]), style == "back"


def _arm(chance: Chance, kind: str, side: int, start: Points, hip: float) -> Points:
    upper, lower = {
        "hang": (chance.between(0.1, 0.3), chance.between(-0.05, 0.22)),
        "one hip": (chance.between(0.65, 0.85), chance.between(-1.0, -0.75)),
        "both hips": (chance.between(0.65, 0.85), chance.between(-1.0, -0.75)),
        "raised": (chance.between(1.5, 1.9), chance.between(3.5, 3.8)),
        "back": (chance.between(0.2, 0.35), chance.between(-0.6, -0.45)),
    }[kind]
    elbow = start + 1.38 * np.array([side * math.sin(upper), math.cos(upper)])
    wrist = elbow + 1.12 * np.array([side * math.sin(lower), math.cos(lower)])
    return points([start, elbow, wrist])


LEG_WIDTHS = (0.36, 0.3, 0.195, 0.21, 0.1)
ARM_WIDTHS = (0.165, 0.15, 0.12, 0.125, 0.075)


def knots(joints: Points, shares: tuple[float, ...] = (0.0, 0.5, 1.0, 1.4, 2.0)) -> Points:
    """Points on a limb: 0 at its root, 1 at its middle joint, 2 at its end."""
    return np.asarray([joints[0] + (joints[1] - joints[0]) * s if s <= 1 else
                       joints[1] + (joints[2] - joints[1]) * (s - 1) for s in shares])  # fmt: skip


def limb(joints: Points, widths: tuple[float, ...]) -> Points:
    """The outline of a bare arm or leg."""
    return tube(knots(joints), widths)


def paint_skin(canvas: Canvas, figure: Figure, alpha: Field, radius: float = 0.13) -> None:
    """Lay skin where `alpha` is."""
    canvas.paint(alpha, figure.skin, volume(canvas, alpha, radius, 0.4))


def paint_legs(canvas: Canvas, figure: Figure, shoe: Colour, heels: bool) -> None:
    """Bare legs, the one behind first, with shoes."""
    for index in (1 - figure.front, figure.front):
        leg = canvas.coverage(limb(figure.legs[index], LEG_WIDTHS), *_foot(figure, index))
        canvas.cast(leg, 0.1, 0.3)
        paint_skin(canvas, figure, leg)
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
    along_arm = joints[2] - joints[1]
    heading = along_arm / max(float(np.hypot(*along_arm)), 1e-9)
    hand = tube(points([joints[2] - 0.05 * heading, joints[2] + 0.18 * heading, joints[2] + 0.4 * heading]),
                (0.075, 0.105, 0.05))  # fmt: skip
    alpha = canvas.coverage(limb(joints, ARM_WIDTHS), hand)
    canvas.cast(alpha, 0.1, 0.25)
    paint_skin(canvas, figure, alpha, 0.09)


def head_centre(figure: Figure) -> Points:
    """Where the head is."""
    return along(figure.place(points([[0.0, 0.56], [0.03 * figure.turn, 0.55]])), 1.0)


def paint_head(canvas: Canvas, figure: Figure, style: str) -> None:
    """A face without features under hair: `short`, `bob`, `long` or `bun`."""
    x, y = head_centre(figure)
    face = spline(points([[0.0, -0.5], [0.33, -0.35], [0.37, 0.0], [0.25, 0.36], [0.0, 0.5], [-0.25, 0.36], [-0.37, 0.0],
                          [-0.33, -0.35]]) + [x, y], closed=True)  # fmt: skip
    alpha = canvas.coverage(face)
    canvas.cast(alpha, 0.1, 0.2)
    paint_skin(canvas, figure, alpha, 0.16)
    canvas.darken(0.16 * canvas.blurred(canvas.coverage(ellipse(x + 0.1 * figure.turn, y + 0.04, 0.24, 0.05)), 0.06))
    lips = canvas.coverage(ellipse(x + 0.1 * figure.turn, y + 0.29, 0.09, 0.03))
    canvas.tint(0.5 * lips, palette.colour("a8483f"))
    part = 0.16 * (1 if figure.turn >= 0 else -1)
    fringe = spline(points([[-0.41, 0.12], [-0.42, -0.3], [-0.2, -0.56], [0.0, -0.6], [0.2, -0.56], [0.42, -0.3],
                            [0.41, 0.12], [0.33, -0.12], [part, -0.36], [-0.33, -0.1]]) + [x, y], closed=True)  # fmt: skip
    crown = [fringe] if style != "bun" else [fringe, ellipse(x, y - 0.66, 0.2, 0.18)]
    hair = canvas.coverage(*crown)
    canvas.paint(hair, figure.hair, volume(canvas, hair, 0.12, 0.45))


def paint_back_hair(canvas: Canvas, figure: Figure, style: str) -> None:
    """The hair that hangs behind the neck."""
    if style in ("short", "bun"):
        return
    x, y = head_centre(figure)
    low = 1.35 if style == "long" else 0.55
    shape = points([[0.0, -0.58], [0.38, -0.4], [0.46, 0.1], [0.44 + 0.05 * low, low], [0.0, low + 0.08],
                    [-0.44 - 0.05 * low, low], [-0.46, 0.1], [-0.38, -0.4]])  # fmt: skip
    alpha = canvas.coverage(spline(shape + [x, y], closed=True))
    canvas.paint(alpha, 0.8 * figure.hair, volume(canvas, alpha, 0.15, 0.35))
