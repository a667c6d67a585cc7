"""What stands behind the figure."""

from __future__ import annotations

import numpy as np

from xai_core.demo.art import palette
from xai_core.demo.art.canvas import Canvas
from xai_core.demo.art.chance import Chance
from xai_core.demo.art.geometry import ellipse, points
from xai_core.demo.art.palette import Colour, mix

FLOOR = 7.85
"""Height on the figure at which it stands."""

KINDS = {"studio": 0.34, "wall": 0.24, "street": 0.22, "room": 0.2}


def paint_background(canvas: Canvas, chance: Chance, kind: str = "") -> None:
    """One of four kinds of place, drawn where none is named, and the figure's shadow on its floor."""
    base = palette.jitter(chance, chance.pick(palette.BACKDROPS), 0.04)
    kinds = {"studio": _studio, "wall": _wall, "street": _street, "room": _room}
    kinds[kind or chance.weighted(KINDS)](canvas, chance, base)
    floor = np.exp(-0.5 * (((canvas.x + 0.3 * canvas.light) / 0.95) ** 2 + ((canvas.y - FLOOR - 0.05) / 0.16) ** 2))
    canvas.darken(0.32 * floor)


def _gradient(canvas: Canvas, chance: Chance, base: Colour) -> None:
    ticks = (np.arange(canvas.size) + 0.5) / canvas.size - 0.5
    cx, cy = chance.between(-0.3, 0.3), chance.between(-0.3, 0.2)
    glow = np.exp(-1.6 * ((ticks[None, :] - cx) ** 2 + (ticks[:, None] - cy) ** 2))
    canvas.paint(np.ones_like(canvas.x), base, 0.72 + 0.36 * glow)


def _floor(canvas: Canvas, colour: Colour, horizon: float, softness: float) -> None:
    below = 1.0 / (1.0 + np.exp(-np.clip((canvas.y - horizon) / softness, -40, 40)))
    canvas.paint(below, colour, 1.0 - 0.04 * np.clip(canvas.y - horizon, 0, 3))


def _studio(canvas: Canvas, chance: Chance, base: Colour) -> None:
    _gradient(canvas, chance, base)
    _floor(canvas, np.clip(base * chance.between(0.93, 1.06), 0, 1), 7.3, 0.25)


def _wall(canvas: Canvas, chance: Chance, base: Colour) -> None:
    _gradient(canvas, chance, base)
    horizon = chance.between(6.7, 7.4)
    floor = mix(base, chance.pick((palette.colour("8c6f52"), palette.colour("6b6f74"), palette.colour("b8a58a"))), 0.7)
    _floor(canvas, floor, horizon, 0.03)
    canvas.tint(canvas.line(points([[-9, horizon - 0.12], [9, horizon - 0.12]]), 0.12), np.clip(base * 1.08, 0, 1))
    if chance.coin(0.4):
        step = chance.between(0.9, 1.6)
        start = chance.between(-step, 0) - 6
        for k in range(14):
            x = start + k * step
            canvas.darken(0.1 * canvas.line(points([[x, -4.0], [x, horizon - 0.15]]), 0.03))


def _street(canvas: Canvas, chance: Chance, base: Colour) -> None:
    _gradient(canvas, chance, mix(base, palette.colour("6f7d88"), 0.5))
    for _ in range(7):
        x, width = chance.between(-5, 5), chance.between(0.5, 1.6)
        tone = palette.jitter(chance, mix(base, palette.cloth(chance), 0.45), 0.08)
        top = chance.between(-3, 4)
        block = canvas.coverage(points([[x, top], [x + width, top], [x + width, 7.4], [x, 7.4]]))
        canvas.paint(canvas.blurred(block, 0.2), tone)
    _floor(canvas, mix(base, palette.colour("6b6c70"), 0.7), chance.between(6.6, 7.3), 0.2)
    warm = palette.colour("f6d9a0")
    for _ in range(12):
        radius = chance.between(0.12, 0.4)
        disc = canvas.coverage(ellipse(chance.between(-4, 4), chance.between(-0.5, 6), radius, radius))
        glow = mix(warm, palette.cloth(chance), chance.between(0, 0.6))
        canvas.tint(chance.between(0.15, 0.5) * canvas.blurred(disc, 0.05), glow)


def _room(canvas: Canvas, chance: Chance, base: Colour) -> None:
    _gradient(canvas, chance, base)
    _floor(canvas, mix(base, palette.colour("8c6f52"), 0.55), chance.between(6.8, 7.3), 0.08)
    for _ in range(5):
        x, y = chance.side() * chance.between(0.9, 4.0), chance.between(0.0, 6.0)
        width, height = chance.between(0.5, 1.5), chance.between(0.5, 2.2)
        tone = palette.jitter(chance, mix(base, palette.cloth(chance), 0.6), 0.04)
        box = canvas.coverage(points([[x, y], [x + width, y], [x + width, y + height], [x, y + height]]))
        canvas.paint(canvas.blurred(box, 0.09), tone)
    if chance.coin(0.5):
        x, green = chance.side() * chance.between(1.2, 2.4), palette.colour("5f7a58")
        for _ in range(7):
            leaf = ellipse(
                x + chance.between(-0.5, 0.5), chance.between(4.6, 6.4), 0.14, 0.6, chance.between(-0.8, 0.8)
            )
            canvas.paint(0.85 * canvas.blurred(canvas.coverage(leaf), 0.07), palette.jitter(chance, green, 0.06))
