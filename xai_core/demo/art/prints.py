"""Graphics on tees: shapes in a square from −1 to 1, and words in letters made of strokes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from xai_core.demo.art import palette
from xai_core.demo.art.canvas import Canvas, Field
from xai_core.demo.art.chance import Chance
from xai_core.demo.art.figure import Figure
from xai_core.demo.art.geometry import Points, at, ellipse, points
from xai_core.demo.art.palette import Colour

Shape = tuple[Points, int]
"""A closed outline and which ink (0, 1 or 2) it is printed in."""

LETTERS: dict[str, Sequence[Sequence[tuple[float, float]]]] = {
    "A": [[(0, 1), (0.5, 0), (1, 1)], [(0.2, 0.65), (0.8, 0.65)]],
    "E": [[(1, 0), (0, 0), (0, 1), (1, 1)], [(0, 0.5), (0.8, 0.5)]],
    "H": [[(0, 0), (0, 1)], [(1, 0), (1, 1)], [(0, 0.5), (1, 0.5)]],
    "K": [[(0, 0), (0, 1)], [(1, 0), (0, 0.55), (1, 1)]],
    "L": [[(0, 0), (0, 1), (1, 1)]],
    "M": [[(0, 1), (0, 0), (0.5, 0.6), (1, 0), (1, 1)]],
    "N": [[(0, 1), (0, 0), (1, 1), (1, 0)]],
    "O": [[(0.3, 0), (0.7, 0), (1, 0.3), (1, 0.7), (0.7, 1), (0.3, 1), (0, 0.7), (0, 0.3), (0.3, 0)]],
    "S": [[(1, 0.1), (0.6, 0), (0, 0.2), (0.2, 0.5), (0.9, 0.6), (0.9, 0.9), (0.4, 1), (0, 0.9)]],
    "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
    "V": [[(0, 0), (0.5, 1), (1, 0)]],
    "Y": [[(0, 0), (0.5, 0.5), (1, 0)], [(0.5, 0.5), (0.5, 1)]],
}
WORDS = ("HEY", "SOL", "NOAH", "LEMON", "YES", "OSLO", "MONA", "TALE", "VELO", "HALO", "NEST", "AHOY", "MESA", "TOKYO")


def _star(count: int = 5, inner: float = 0.45) -> Points:
    angles = np.arange(2 * count) * math.pi / count - math.pi / 2
    radius = np.where(np.arange(2 * count) % 2, inner, 1.0)
    return np.column_stack([radius * np.cos(angles), radius * np.sin(angles)])


def _rays(count: int, inner: float, outer: float) -> list[Points]:
    found = []
    for k in range(count):
        a, w = 2 * math.pi * k / count, 1.0 / count
        tip = [outer * math.cos(a), outer * math.sin(a)]
        left, right = ([inner * math.cos(b), inner * math.sin(b)] for b in (a - w, a + w))
        found.append(points([left, tip, right]))
    return found


def _heart() -> Points:
    t = np.arange(40) * math.pi / 20
    return np.column_stack(
        [np.sin(t) ** 3, -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16]
    )


def star(chance: Chance) -> list[Shape]:
    """A star, at times in a ring."""
    ring = [(ellipse(0, 0, 1, 1), 0), (ellipse(0, 0, 0.86, 0.86), 1)] if chance.coin() else []
    return [*ring, (_star() * (0.72 if ring else 1.0), 0 if ring else 1)]


def sun(chance: Chance) -> list[Shape]:
    """A sun with rays."""
    count = chance.pick((10, 12, 16))
    return [*((ray, 0) for ray in _rays(count, 0.62, 1.05)), (ellipse(0, 0, 0.55, 0.55), 1)]


def mountains(chance: Chance) -> list[Shape]:
    """Peaks before a round sky with a low sun."""
    peak = chance.between(-0.3, 0.3)
    return [
        (ellipse(0, 0, 1, 1), 0), (ellipse(0.35, -0.3, 0.28, 0.28), 1),
        (points([[-0.98, 0.25], [peak - 0.2, -0.5], [0.75, 0.65], [0.3, 0.95], [-0.4, 0.9], [-0.85, 0.55]]), 2),
        (points([[-0.1, 0.98], [0.5, -0.05], [0.98, 0.2], [0.75, 0.65], [0.3, 0.95]]), 1),
    ]  # fmt: skip


def heart(chance: Chance) -> list[Shape]:
    """A heart, at times with a smaller one in it."""
    return [(_heart(), 0)] + ([(_heart() * 0.6, 1)] if chance.coin() else [])


def smile(_: Chance) -> list[Shape]:
    """A smiling face."""
    mouth = [[0.6 * math.cos(a), 0.15 + 0.45 * math.sin(a)] for a in np.linspace(0, math.pi, 12)]
    back = [[0.5 * math.cos(a), 0.15 + 0.3 * math.sin(a)] for a in np.linspace(math.pi, 0, 12)]
    eyes = [(ellipse(s * 0.34, -0.25, 0.11, 0.2), 1) for s in (-1, 1)]
    return [(ellipse(0, 0, 1, 1), 0), *eyes, (points(mouth + back), 1)]


def bolt(_: Chance) -> list[Shape]:
    """A lightning bolt before a disc."""
    zigzag = points([[0.25, -1.1], [-0.6, 0.2], [-0.05, 0.2], [-0.3, 1.1], [0.6, -0.25], [0.05, -0.25]])
    return [(ellipse(0, 0, 0.85, 0.85), 0), (zigzag, 1)]


def flower(chance: Chance) -> list[Shape]:
    """A large flower with a stalk."""
    angle = np.arange(72) * math.pi / 36
    radius = 0.5 * (0.75 + 0.25 * np.cos(chance.pick((5, 6, 8)) * angle))
    bloom = np.column_stack([radius * np.cos(angle), radius * np.sin(angle) - 0.45]) * 1.2
    stalk = points([[-0.05, 0], [0.05, 0], [0.08, 1.05], [-0.04, 1.05]])
    return [(stalk, 2), (ellipse(0.3, 0.6, 0.3, 0.12, -0.6), 2), (bloom, 0), (ellipse(0, -0.54, 0.2, 0.2), 1)]


def moon(_: Chance) -> list[Shape]:
    """A crescent and three stars."""
    a, b = np.linspace(0.9, 2 * math.pi - 0.9, 30), np.linspace(2 * math.pi - 1.25, 1.25, 30)
    outer = np.column_stack([0.9 * np.cos(a), 0.9 * np.sin(a)])
    inner = np.column_stack([0.26 + 0.75 * np.cos(b), 0.75 * np.sin(b)])
    stars = [(_star() * s + at(x, y), 1) for x, y, s in ((0.5, -0.35, 0.3), (0.75, 0.35, 0.2), (0.25, 0.2, 0.16))]
    return [(np.concatenate([outer, inner]), 0), *stars]


def blocks(chance: Chance) -> list[Shape]:
    """Three bars, as of a sports club."""
    lean = chance.between(-0.4, 0.4)
    return [
        (points([[-1, y], [1, y + 0.3 * lean], [1, y + 0.42 + 0.3 * lean], [-1, y + 0.42]]), k)
        for k, y in enumerate((-0.85, -0.25, 0.35))
    ]


def waves(_: Chance) -> list[Shape]:
    """Rows of waves under a disc."""
    t = np.linspace(-1, 1, 30)
    rows = []
    for k in range(3):
        y = 0.12 + 0.33 * k
        crest = y + 0.1 * np.sin(3 * math.pi * t + k)
        rows.append((np.concatenate([np.column_stack([t, crest]), np.column_stack([t, crest + 0.16])[::-1]]), k % 2))
    return [(ellipse(0, -0.45, 0.5, 0.5), 2), *rows]


PICTURES: tuple[Callable[[Chance], list[Shape]], ...] = (
    star, sun, mountains, heart, smile, bolt, flower, moon, blocks, waves,
)  # fmt: skip


def paint_print(canvas: Canvas, figure: Figure, chance: Chance, ground: Colour, cloth: Field) -> None:
    """A graphic on the chest: a picture, a word or two, or both; `cloth` is where it may lie."""
    first = palette.apart(chance, ground, 0.6)
    inks = (first, palette.apart(chance, first, 0.5), palette.apart(chance, first, 0.4))
    kind = chance.weighted({"picture": 0.45, "word": 0.22, "both": 0.33})
    x, y, scale = 0.14 * figure.turn, chance.between(2.2, 2.42), chance.between(0.3, 0.44)
    if kind != "word":
        for shape, ink in chance.pick(PICTURES)(chance):
            canvas.tint(canvas.coverage(figure.place(shape * scale + at(x, y))) * cloth, inks[ink], takes=True)
    if kind == "picture":
        return
    below = y + 1.25 * scale if kind == "both" else y - 0.15
    high = chance.between(0.14, 0.2) if kind == "both" else chance.between(0.24, 0.36)
    _word(canvas, figure, chance.pick(WORDS), (x, below), high, inks[0], cloth)
    if kind == "word" and chance.coin(0.6):
        _word(canvas, figure, chance.pick(WORDS), (x, below + 1.5 * high), high * 0.7, inks[1], cloth)


def _word(
    canvas: Canvas, figure: Figure, text: str, spot: tuple[float, float], high: float, ink: Colour, cloth: Field
) -> None:
    wide = 0.72 * high
    step = min(1.4 * wide, 0.95 / len(text))
    wide *= min(1.0, step / (1.4 * 0.72 * high))
    left = spot[0] - 0.5 * step * (len(text) - 1) - 0.5 * wide
    total = np.zeros_like(cloth)
    for k, letter in enumerate(text):
        for stroke in LETTERS[letter]:
            path = points(stroke) * at(wide, high) + at(left + k * step, spot[1])
            total = np.maximum(total, canvas.line(figure.place(path), 0.2 * high))
    canvas.tint(total * cloth, ink, takes=True)
