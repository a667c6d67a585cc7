"""A proposal as the browser draws it: which part of the picture, and outlines in the picture's pixels. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.coco_out import loops
from xai_core.label_maps import LabelMap
from xai_core.models.preprocess import Preprocess

Region = NDArray[np.bool_]
Line = list[int]
"""`[x, y, x, y, …]`, closed."""

LEAST_SIDE = 96
"""Pixels of the picture that are shown at least along each side: a region says little without what is around it."""
SHAPE = 4 / 3
"""Width to height of what is shown."""
CORNERS = 60
"""An outline to be edited has at most about so many."""


@dataclass(frozen=True)
class Outlined:
    """What is drawn of a proposal.

    Attributes:
        crop, seen: left, top, right, bottom in the picture's pixels: what is shown, and what the model sees.
        region, annotated: outlines of the proposal, and of what is annotated as its class.
        polygon: the outline to begin editing with.
    """

    crop: tuple[int, ...]
    seen: tuple[float, ...]
    region: list[Line]
    annotated: list[Line]
    polygon: Line


def outlined(region: Region, label_map: LabelMap, label: int, preprocess: Mapping[str, Any] | None) -> Outlined:
    """Of a region that would be of a class, on a picture with this annotation."""
    high, wide = label_map.shape
    box = Preprocess.from_dict(preprocess).box(wide, high) if preprocess else (0.0, 0.0, float(wide), float(high))
    crop = _crop(region, wide, high)
    annotated = label_map == label
    return Outlined(crop, tuple(box), _lines(region, crop), _lines(annotated, crop), _polygon(region, annotated))


def _crop(region: Region, wide: int, high: int) -> tuple[int, ...]:
    """The region with as much around it again, in one shape, inside the picture."""
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if not len(rows):
        return (0, 0, wide, high)
    tall, broad = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    height = max(LEAST_SIDE, 1.6 * tall, 1.6 * broad / SHAPE)
    width = min(wide, round(height * SHAPE))
    height = min(high, round(height))
    left = int(np.clip(round((columns[0] + columns[-1] + 1) / 2 - width / 2), 0, wide - width))
    top = int(np.clip(round((rows[0] + rows[-1] + 1) / 2 - height / 2), 0, high - height))
    return (left, top, left + int(width), top + int(height))


def _lines(region: Region, crop: tuple[int, ...]) -> list[Line]:
    """Outlines of what is shown of a region; where it goes on, they run along just outside of what is shown."""
    left, top = max(0, crop[0] - 2), max(0, crop[1] - 2)
    part = region[top : crop[3] + 2, left : crop[2] + 2]
    return [[number for x, y in loop for number in (x + left, y + top)] for loop in loops(part)]


def _polygon(region: Region, annotated: Region) -> Line:
    """The longest outline, with few corners. Of an enlargement with the object in it: a ring would be no polygon."""
    from skimage.measure import approximate_polygon

    whole = region | annotated if _rings(region, annotated) else region
    found = loops(whole)
    if not found:
        return []
    longest = max(found, key=len)
    points, tolerance = np.array([*longest, longest[0]], float), 1.0
    few = approximate_polygon(points, tolerance)
    while len(few) > CORNERS:
        tolerance *= 1.5
        few = approximate_polygon(points, tolerance)
    few = few if len(few) > 3 else points
    return [round(number) for number in few[:-1].ravel().tolist()]


def _rings(region: Region, annotated: Region) -> bool:
    """Whether the region touches what is annotated."""
    beside = np.zeros_like(annotated)
    beside[1:] = annotated[:-1]
    beside[:-1] |= annotated[1:]
    beside[:, 1:] |= annotated[:, :-1]
    beside[:, :-1] |= annotated[:, 1:]
    return bool((beside & region).any())
