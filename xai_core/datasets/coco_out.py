"""Label maps as COCO writes them: each connected region of a class an annotation, as one polygon or as run lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets import runs
from xai_core.label_maps import IGNORE, LabelMap

Region = NDArray[np.bool_]
Point = tuple[int, int]
_AROUND = np.ones((3, 3), bool)
"""Pixels that touch at a corner belong together, or a slanting cable would be a hundred objects."""


def annotations_of(label_map: LabelMap, categories: dict[int, int], *, outlines: bool) -> Iterator[dict[str, Any]]:
    """Of a picture, without `id` and `image_id`: all connected regions of each class, then what is to be ignored.

    What is to be ignored is one crowd (`iscrowd`) of the first category: COCO has no other word for it.

    Args:
        categories: the category of each class; pixels of other classes are in no annotation.
        outlines: polygons where they mean the very same pixels, which all do that were ever tried; else run lengths.
    """
    from scipy.ndimage import find_objects, label

    height, width = label_map.shape
    for index, category in categories.items():
        parts, count = label(label_map == index, _AROUND)
        for number, box in enumerate(find_objects(parts), 1):
            if number > count or box is None:
                continue
            yield _annotation(parts[box] == number, box[0].start, box[1].start, height, width, category, outlines)
    if (label_map == IGNORE).any():
        first = next(iter(categories.values()))
        yield _annotation(label_map == IGNORE, 0, 0, height, width, first, False) | {"iscrowd": 1}


def _annotation(
    inside: Region, top: int, left: int, height: int, width: int, category: int, outlines: bool
) -> dict[str, Any]:
    """Of a region that begins at `top`, `left`."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    box = [left + columns[0], top + rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    if outlines and _means(outline(inside), inside):
        shape: Any = [outline(inside, top, left)]
    else:
        whole = np.zeros((height, width), bool)
        whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        shape = {"size": [height, width], "counts": run_lengths(whole)}
    return {
        "category_id": category,
        "segmentation": shape,
        "area": int(inside.sum()),
        "bbox": [int(side) for side in box],
        "iscrowd": 0,
    }


def _means(polygon: list[int], inside: Region) -> bool:
    """Whether a polygon is rasterised to this very region."""
    height, width = inside.shape
    return bool((runs.painted([(runs.of_polygons([polygon], height, width), 1)], height, width) == inside).all())


def run_lengths(region: Region) -> str:
    """Compressed, as pycocotools writes them."""
    from pycocotools import mask

    text: str = mask.encode(np.asfortranarray(region.astype(np.uint8)))["counts"].decode("ascii")
    return text


def outline(region: Region, top: int = 0, left: int = 0) -> list[int]:
    """One polygon `[x, y, x, y, …]` along the edges of a region's pixels; `top`, `left`: where the region begins.

    Holes, and parts that do not touch, are reached by a seam that is gone along twice, so that nothing lies within it:
    a tool that knows polygons alone, one an object, keeps them.
    """
    found = loops(region)
    if not found:
        return []
    start, path = found[0][0], list[Point]()
    for loop in found:
        path += [*loop, loop[0], start]
    if len(found) == 1:
        path = found[0]
    return [number for x, y in path for number in (x + left, y + top)]


def loops(region: Region) -> list[list[Point]]:
    """The corners of each closed line between inside and outside, the inside to its right."""
    steps = _steps(region)
    found = []
    while steps:
        start = next(iter(steps))
        at, direction, loop = start, (0, 0), list[Point]()
        while at in steps:
            ways = steps[at]
            # Where two pixels touch at a corner, turning left keeps them in one line.
            left = (at[0] + direction[1], at[1] - direction[0])
            to = ways.pop(ways.index(left) if len(ways) > 1 and left in ways else -1)
            if not ways:
                del steps[at]
            turned = to[0] - at[0], to[1] - at[1]
            if turned != direction:
                loop.append(at)
            at, direction = to, turned
            if at == start and at not in steps:
                break
        found.append(loop)
    return found


def _steps(region: Region) -> dict[Point, list[Point]]:
    """From each corner of pixels where the line goes on."""
    padded = np.pad(region, 1)
    inside = padded[1:-1, 1:-1]
    edges = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    )
    found: dict[Point, list[Point]] = {}
    for beside, (from_x, from_y), (to_x, to_y) in edges:
        ys, xs = np.nonzero(inside & ~beside)
        for y, x in zip(ys.tolist(), xs.tolist(), strict=True):
            found.setdefault((x + from_x, y + from_y), []).append((x + to_x, y + to_y))
    return found
