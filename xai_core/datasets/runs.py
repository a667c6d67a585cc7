"""Outlines and run lengths as COCO writes them, brought to runs of pixels, and runs painted into a label map.

Polygons are rasterised by pycocotools, whose C code trusts its input: a coordinate that is far outside or no number
fills the memory, a run length too many writes beyond the picture. So both are checked here first, and what it wrote
itself is decoded here as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import XaiError

Runs = NDArray[np.int64]
"""Lengths of runs down the columns of a picture, one column after the other: outside, inside, outside, …; they add up
to its pixels."""

_FAR, _FARTHEST = 1e6, 1e9
_LONGEST = 4_000_000
"""Pixels of an outline; the rasteriser needs some hundred bytes for each."""

_CHUNKS = 7
"""So many characters of a compressed number are taken: 35 bits."""


class BadShape(ValueError):
    """A shape that cannot be rasterised; the text is a reason, as in “left out (a reason)”."""


def of_polygons(polygons: Sequence[Any], height: int, width: int) -> Runs:
    """All pixels of any of the polygons, as pycocotools rasterises them: of a polygon that crosses itself those that
    an odd number of its edges lies around. A hole is no polygon of its own here.

    Args:
        polygons: each `[x, y, x, y, …]` in pixels, from the upper left corner of the picture; they may lie outside.

    Raises:
        BadShape: no polygon, or one of an odd length, of fewer than three points, with what is no number or is beyond
            10⁹, or with an outline of more than four million pixels.
    """
    try:
        from pycocotools import mask
    except ImportError:
        raise XaiError("pycocotools is not installed", remedy="Run: pip install pycocotools.") from None
    if not polygons:
        raise BadShape("no outline")
    inside, length = [], 0.0
    for polygon in polygons:
        points = _clipped(_points(polygon), height, width)
        length += _length(points) if len(points) else 0.0
        if length > _LONGEST:  # before the others are looked at: there may be a million
            raise BadShape(f"an outline that goes through more than {_LONGEST:,} pixels")
        inside += [points] if len(points) else []
    if not inside:
        return np.array([height * width], np.int64)
    united = mask.merge(mask.frPyObjects([points.ravel().tolist() for points in inside], height, width))
    return of_counts(united["counts"].decode("ascii"), height, width)


def of_counts(counts: Any, height: int, width: int) -> Runs:
    """The runs of an RLE, compressed (a text) or not (a list of numbers).

    Raises:
        BadShape: no run lengths, or not those of a picture of this size.
    """
    if isinstance(counts, str):
        runs = _decoded(counts)
    else:
        try:
            runs = np.asarray(counts)
        except (ValueError, OverflowError):
            raise BadShape("run lengths that are no numbers") from None
        if runs.ndim != 1 or (runs.dtype.kind not in "iu" and len(runs)):
            raise BadShape("run lengths that are no numbers")
        runs = runs.astype(np.int64)
    if (runs < 0).any() or (runs > height * width).any() or int(runs.sum()) != height * width:
        raise BadShape("run lengths of a picture of another size")
    return runs


def area(runs: Runs) -> int:
    """Pixels inside."""
    return int(runs[1::2].sum())


def painted(shapes: Sequence[tuple[Runs, int]], height: int, width: int) -> NDArray[np.uint8]:
    """`(height, width)`: 0, and over it one shape after the other in its value."""
    flat = np.zeros(height * width, np.uint8)
    for runs, value in shapes:
        within = runs[1 : len(runs) - len(runs) % 2] if len(runs) > 1 else runs[:0]  # from the first to the last inside
        seen = np.repeat(np.arange(len(within)) % 2 == 0, within)
        flat[runs[0] : runs[0] + len(seen)][seen] = value
    return np.ascontiguousarray(flat.reshape(width, height).T)


def _points(polygon: Any) -> NDArray[np.float64]:
    try:
        flat = np.asarray(polygon, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise BadShape("an outline of what are no numbers") from None
    if flat.ndim != 1 or len(flat) % 2:
        raise BadShape("an outline that is no list of pairs, x before y")
    if len(flat) < 6:
        raise BadShape("an outline of fewer than three points")
    if not (np.abs(flat) <= _FARTHEST).all():  # which NaN is not either
        raise BadShape("an outline with NaN or coordinates beyond 10⁹")
    return flat.reshape(-1, 2)


def _clipped(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """A polygon that goes very far, without what lies farther outside than the picture is large; others as they are.

    Sutherland and Hodgman 1974. What is seen stays the same, but for roundings at the edge.
    """
    if np.abs(points).max() <= _FAR and _length(points) <= _LONGEST:
        return points
    for axis, size in ((0, width), (1, height)):
        for sign, bound in ((1.0, -float(size)), (-1.0, -2.0 * size)):
            beyond = sign * points[:, axis] < bound
            if beyond.any():
                points = _cut(points, axis, sign * bound, ~beyond)
    return points if len(points) >= 3 else points[:0]


def _cut(points: NDArray[np.float64], axis: int, bound: float, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The points inside, and behind each the one where its edge meets the bound, if it does."""
    step = np.roll(points, -1, axis=0) - points
    crosses = inside != np.roll(inside, -1)
    share = np.divide(bound - points[:, axis], step[:, axis], out=np.zeros(len(points)), where=crosses)
    met = points + share[:, None] * step
    kept = np.stack([inside, crosses], axis=1).ravel()
    return np.stack([points, met], axis=1).reshape(-1, 2)[kept]


def _length(points: NDArray[np.float64]) -> float:
    """Pixels that the outline goes through."""
    steps = np.abs(np.roll(points, -1, axis=0) - points).max(axis=1)
    return float(steps.sum()) + len(points)


def _decoded(text: str) -> Runs:
    """Numbers of five bits a character, the lowest first, each from the third on less the one two before it."""
    try:
        codes = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        raise BadShape("a compressed RLE with characters that it does not have") from None
    if not len(codes):
        return codes
    if (codes < 0).any() or (codes > 63).any():
        raise BadShape("a compressed RLE with characters that it does not have")
    last = codes & 32 == 0
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if not last[-1] or (lengths > _CHUNKS).any():
        raise BadShape("a compressed RLE that is cut short or damaged")
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    numbers = np.add.reduceat((codes & 31) << shifts, starts)
    numbers -= np.where(codes[ends] & 16, 1 << (5 * lengths), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
