"""The figure: proportions and pose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xai_core.demo.art import palette
from xai_core.demo.art.chance import Chance
from xai_core.demo.art.geometry import Points, at, points
from xai_core.demo.art.palette import Colour

WAIST, HIP, CROTCH, KNEE, ANKLE = 3.0, 3.95, 4.35, 5.95, 7.6
"""Heights on the figure, in heads from the crown."""


@dataclass(frozen=True)
class Stance:
    """How the body stands.

    Attributes:
        shifts: how far chest, hips and feet stand to the right of the waist.
        tilts: slopes of shoulders and hips.
        turn: −1 … 1, how far the figure is turned to the right.
        weight: −1 … 1, how much of its weight is on the leg at the picture's right.
    """

    shifts: tuple[float, float, float]
    tilts: tuple[float, float]
    turn: float
    weight: float

    def shift(self, y: Points) -> Points:
        """How far the middle of the body lies to the right at height `y`."""
        chest, hip, feet = self.shifts
        return np.interp(y, [0.5, 1.6, WAIST, HIP, 7.9], [1.2 * chest, chest, 0.0, hip, feet])

    def place(self, outline: Points) -> Points:
        """A symmetric drawing (about x = 0) bent into the pose."""
        x, y = outline[:, 0] * (1.0 - 0.1 * abs(self.turn)), outline[:, 1]
        shoulders, hips = self.tilts
        tilt = np.interp(y, [1.5, WAIST, HIP, 6.5], [shoulders, 0.4 * hips, hips, 0.0])
        return np.column_stack([x + self.shift(y), y + tilt * x])


@dataclass(frozen=True)
class Figure:
    """One person in one pose. Body space; index 0 is the limb at the picture's left, 1 at its right.

    Attributes:
        shoulder, bust, waist, hip: half-widths.
        arms, legs: joints of each limb, `(3, 2)`: shoulder, elbow, wrist; hip, knee, ankle.
        behind: whether the arms are held behind the back.
    """

    shoulder: float
    bust: float
    waist: float
    hip: float
    stance: Stance
    skin: Colour
    hair: Colour
    arms: tuple[Points, Points]
    legs: tuple[Points, Points]
    behind: bool

    @property
    def turn(self) -> float:
        """−1 … 1, how far the figure is turned to the right."""
        return self.stance.turn

    @property
    def front(self) -> int:
        """The leg (0 or 1) that stands in front of the other."""
        return 1 if self.stance.weight < 0 else 0

    def shift(self, y: Points) -> Points:
        """How far the middle of the body lies to the right at height `y`."""
        return self.stance.shift(y)

    def place(self, outline: Points) -> Points:
        """A symmetric drawing (about x = 0) bent into the pose."""
        return self.stance.place(outline)

    def width(self, y: float) -> float:
        """Half-width of the torso at height `y`."""
        widths = (self.shoulder, self.bust, self.waist, self.hip, self.hip)
        return float(np.interp(y, (1.5, 2.0, WAIST, HIP, CROTCH), widths))


def draw_figure(chance: Chance, astride: bool = False) -> Figure:
    """A person and a pose; `astride` with the legs apart, so that what they wear is seen to have two legs."""
    build = chance.between(0.9, 1.14)
    weight = chance.side() * chance.between(0.0, 1.0)
    turn = chance.side() * chance.between(0.0, 1.0)
    shifts = (-0.07 * weight, 0.12 * weight, 0.05 * weight)
    stance = Stance(shifts, (0.07 * weight, -0.09 * weight), turn, weight)
    shoulder, hip = 0.77 * build * chance.between(0.96, 1.04), 0.69 * build * chance.between(0.95, 1.05)
    crossed = chance.coin(0.15) and not astride
    spread = chance.between(0.52, 0.75) if astride else chance.between(0.22, 0.58)
    left, right = (_leg(chance, side, stance, hip, 0.02 if crossed else spread) for side in (-1, 1))
    arms, behind = _arms(chance, stance, shoulder)
    return Figure(
        shoulder=shoulder, bust=0.6 * build, waist=0.47 * build, hip=hip, stance=stance,
        skin=palette.jitter(chance, chance.pick(palette.SKINS), 0.02), hair=chance.pick(palette.HAIRS),
        arms=arms, legs=(left, right), behind=behind,
    )  # fmt: skip


def _leg(chance: Chance, side: int, stance: Stance, hip: float, reach: float) -> Points:
    top = stance.place(points([[side * 0.5 * hip, CROTCH - 0.35]]))[0]
    free = max(0.0, -side * stance.weight)  # the leg that carries no weight bends
    ankle_x = stance.shifts[2] + side * (reach + 0.16 * free) + chance.between(-0.03, 0.03)
    knee_x = 0.5 * (top[0] + ankle_x) + side * (0.05 + 0.1 * free)
    return points([top, [knee_x, KNEE - 0.06 * free], [ankle_x, ANKLE - 0.12 * free]])


def _arms(chance: Chance, stance: Stance, shoulder: float) -> tuple[tuple[Points, Points], bool]:
    style = chance.weighted({"hang": 0.42, "one hip": 0.24, "both hips": 0.1, "raised": 0.12, "back": 0.12})
    busy = chance.side()
    arms = []
    for side in (-1, 1):
        kind = "hang" if style in ("one hip", "raised") and side != busy else style
        joint = stance.place(points([[side * (shoulder - 0.13), 1.66]]))[0]
        arms.append(_arm(chance, kind, side, joint))
    return (arms[0], arms[1]), style == "back"


def _arm(chance: Chance, kind: str, side: int, start: Points) -> Points:
    """Joints of an arm; its parts' angles are measured from straight down, outwards."""
    upper, lower = {
        "hang": ((0.1, 0.3), (-0.05, 0.22)),
        "one hip": ((0.65, 0.85), (-1.0, -0.75)),
        "both hips": ((0.65, 0.85), (-1.0, -0.75)),
        "raised": ((1.5, 1.9), (3.5, 3.8)),
        "back": ((0.2, 0.35), (-0.6, -0.45)),
    }[kind]
    a, b = chance.between(*upper), chance.between(*lower)
    elbow = start + 1.38 * at(side * math.sin(a), math.cos(a))
    wrist = elbow + 1.12 * at(side * math.sin(b), math.cos(b))
    return np.stack([start, elbow, wrist])


def knots(joints: Points, shares: tuple[float, ...] = (0.0, 0.5, 1.0, 1.4, 2.0)) -> Points:
    """Points on a limb: 0 at its root, 1 at its middle joint, 2 at its end."""
    return np.column_stack([np.interp(shares, (0.0, 1.0, 2.0), joints[:, axis]) for axis in (0, 1)])


def heading(start: Points, end: Points) -> Points:
    """The direction from one point to another, of length 1."""
    step = end - start
    return step / max(float(np.hypot(step[0], step[1])), 1e-9)
