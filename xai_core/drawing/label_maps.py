"""Label maps as layers over a picture: classes in colours, how a prediction differs, one cell of the confusion."""

from __future__ import annotations

from functools import cache

import numpy as np

from xai_core.drawing.colours import Bytes
from xai_core.label_maps import IGNORE, LabelMap, objects

SERIES = (
    *("#f2b705", "#15aabf", "#7048e8", "#82c91e", "#fa7268", "#5c7cfa"),
    *("#c0eb75", "#e599f7", "#ffd8a8", "#38d9a9", "#a5d8ff", "#868e96"),
)
"""Of objects, in turn; none of them is a colour of differences."""

MISSED, INVENTED, MISTAKEN, RIGHT, CELL = "#b03401", "#438ae8", "#6f0a78", "#0e7069", "#ff2e93"
"""An object's pixels that were taken for background; background that was taken for an object; an object that was taken
for another; what is right; the pixels of a chosen cell."""

MEANINGS = {
    "missed": (MISSED, "an object's pixel taken for background"),
    "invented": (INVENTED, "background taken for an object"),
    "mistaken": (MISTAKEN, "an object taken for another"),
    "right": (RIGHT, "an object's pixel that is right"),
}
STRONG, FAINT = 200, 90
"""Of 255: how opaque what matters is, and what is right."""


def colour_of(index: int) -> str:
    """The colour of a class as `#rrggbb`; after twelve classes they come again. Class 1, the first object's, begins."""
    return SERIES[(index - 1) % len(SERIES)]


def painted(label_map: LabelMap, background: bool) -> Bytes:
    """`(h, w, 4)` RGBA: each class in its colour; background and what is to be ignored transparent."""
    layer = _palette()[label_map]
    layer[..., 3] = np.where(objects(label_map, background), STRONG, 0)
    return layer


def compared(truth: LabelMap, said: LabelMap, background: bool) -> Bytes:
    """`(h, w, 4)` RGBA: where a prediction is wrong, and how, see MEANINGS; what either ignores is transparent."""
    known = (truth != IGNORE) & (said != IGNORE)
    there, told = objects(truth, background) & known, objects(said, background) & known
    layer = np.zeros((*truth.shape, 4), np.uint8)
    for where, colour, opacity in (
        (there & (truth == said), RIGHT, FAINT),
        (there & ~told, MISSED, STRONG),
        (told & ~there, INVENTED, STRONG),
        (there & told & (truth != said), MISTAKEN, STRONG),
    ):
        layer[where] = (*_rgb(colour), opacity)
    return layer


def of_cell(truth: LabelMap, said: LabelMap, cell: tuple[int, int]) -> Bytes:
    """`(h, w, 4)` RGBA: the pixels of one true class that were said to be one class."""
    layer = np.zeros((*truth.shape, 4), np.uint8)
    layer[(truth == cell[0]) & (said == cell[1])] = (*_rgb(CELL), STRONG)
    return layer


@cache
def _palette() -> Bytes:
    """`(256, 4)`."""
    return np.array([(*_rgb(colour_of(index)), STRONG) for index in range(256)], np.uint8)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
