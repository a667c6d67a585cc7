"""Curves and outlines, in body space: one unit is the height of the head, y points down, the crown is at y = 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""`(n, 2)` x and y."""


def points(pairs: Sequence[Sequence[float]]) -> Points:
    """An array from pairs."""
    return np.asarray(pairs, dtype=np.float64)


def at(x: float, y: float) -> Points:
    """One point, or an offset, `(2,)`."""
    return np.array([x, y], dtype=np.float64)


def spline(knots: Points, steps: int = 8, closed: bool = False) -> Points:
    """A Catmull-Rom curve through the knots (any number of columns), `steps` points per span."""
    if closed:
        padded = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.arange(steps)[:, None] / steps
    a, b, c, d = (padded[i : len(padded) - 3 + i, None, :] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    flat = curve.reshape(-1, knots.shape[1])
    return flat if closed else np.concatenate([flat, knots[-1:]])


def tube(centre: Points, half_widths: Sequence[float], rounded: bool = True) -> Points:
    """The outline of a limb: a smooth centre line with a half-width at each of its knots."""
    path = np.column_stack([centre, np.asarray(half_widths, dtype=np.float64)])
    line = spline(path, 7)
    heading = np.gradient(line[:, :2], axis=0)
    heading /= np.maximum(np.hypot(heading[:, 0], heading[:, 1]), 1e-9)[:, None]
    normal = np.column_stack([-heading[:, 1], heading[:, 0]])
    left, right = line[:, :2] + normal * line[:, 2:], line[:, :2] - normal * line[:, 2:]
    if not rounded:
        return np.concatenate([left, right[::-1]])
    angles = np.linspace(0, math.pi, 7)[1:-1, None]
    cap = line[-1, :2] + line[-1, 2] * (np.cos(angles) * normal[-1] + np.sin(angles) * heading[-1])
    return np.concatenate([left, cap, right[::-1]])


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0, steps: int = 24) -> Points:
    """An ellipse's outline, turned by `turn` radians."""
    angles = np.arange(steps) * (2 * math.pi / steps)
    px, py = rx * np.cos(angles), ry * np.sin(angles)
    c, s = math.cos(turn), math.sin(turn)
    return np.column_stack([x + c * px - s * py, y + s * px + c * py])


def mirrored(half: Points) -> Points:
    """A closed outline from its right half, given from top to bottom (x ≥ 0 about 0)."""
    left = half[::-1] * np.array([-1.0, 1.0])
    return np.concatenate([half, left])


@dataclass(frozen=True)
class Camera:
    """Where the picture looks: body space to the unit square and back.

    Attributes:
        x, y: the point of body space at the picture's centre.
        span: body units from the picture's top to its bottom.
        roll: radians, clockwise.
    """

    x: float
    y: float
    span: float
    roll: float = 0.0

    def project(self, body: Points) -> Points:
        """Body space → the unit square."""
        c, s = math.cos(self.roll), math.sin(self.roll)
        dx, dy = (body[:, 0] - self.x) / self.span, (body[:, 1] - self.y) / self.span
        return np.column_stack([0.5 + c * dx - s * dy, 0.5 + s * dx + c * dy])

    def grid(self, pixels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Body coordinates x and y of every pixel's centre, `(pixels, pixels)` each."""
        ticks = (np.arange(pixels) + 0.5) / pixels - 0.5
        dx, dy = ticks[None, :], ticks[:, None]
        c, s = math.cos(self.roll), math.sin(self.roll)
        return self.x + self.span * (c * dx + s * dy), self.y + self.span * (c * dy - s * dx)
