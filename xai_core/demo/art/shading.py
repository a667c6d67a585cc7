"""Light on cloth and skin: factors to multiply colour by, `(size, size)` about 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xai_core.demo.art.canvas import Canvas, Field
from xai_core.demo.art.geometry import Points


def volume(canvas: Canvas, alpha: Field, radius: float, strength: float = 0.3) -> Field:
    """A shape as if it bulged towards us: lit on the light's side, darker at its rim.

    The blurred coverage stands for its height; its slope towards the light is the light it gets.
    """
    height = canvas.blurred(alpha, radius)
    down, right = np.gradient(height)
    reach = radius * canvas.unit * 1.6
    lit = (-canvas.light * right + 0.35 * down) * reach
    rim = np.clip(1.0 - height, 0.0, 0.6)
    return 1.0 + strength * (0.9 * lit - 0.55 * rim) + 0.04


@dataclass(frozen=True)
class Fold:
    """A crease from `start` to `end`: `width` in body units; a positive `depth` lights the light's side."""

    start: Points
    end: Points
    width: float
    depth: float


def folds(canvas: Canvas, creases: Sequence[Fold]) -> Field:
    """Light and dark side by side along every crease, fading out at its ends."""
    shade = np.zeros_like(canvas.x)
    for crease in creases:
        step = crease.end - crease.start
        length = max(float(np.hypot(step[0], step[1])), 1e-6)
        ux, uy = step / length
        dx, dy = canvas.x - crease.start[0], canvas.y - crease.start[1]
        t = (dx * ux + dy * uy) / length
        across = (dx * uy - dy * ux) / crease.width
        fade = np.clip(4.0 * t * (1.0 - t), 0.0, 1.0)
        facing = canvas.light * (1.0 if uy >= 0 else -1.0)
        shade += crease.depth * fade * (facing * across - 0.35) * np.exp(-0.5 * across**2)
    return 1.0 + shade


@dataclass(frozen=True)
class Waves:
    """The undulation of hanging cloth across its width: `t` runs from −1 (left edge) to +1 (right edge)."""

    counts: tuple[float, ...]
    phases: tuple[float, ...]
    weights: tuple[float, ...]
    sharp: float = 0.0

    def height(self, t: Field | Points) -> Field:
        """How far the cloth comes forward, about −1 … 1."""
        total = np.zeros_like(t)
        for count, phase, weight in zip(self.counts, self.phases, self.weights, strict=True):
            total += weight * np.sin(np.pi * count * t + phase)
        return np.tanh(total * (1 + self.sharp)) if self.sharp else total

    def slope(self, t: Field) -> Field:
        """How much the cloth turns to the right, about −1 … 1."""
        total = np.zeros_like(t)
        for count, phase, weight in zip(self.counts, self.phases, self.weights, strict=True):
            total += weight * np.cos(np.pi * count * t + phase)
        return total
