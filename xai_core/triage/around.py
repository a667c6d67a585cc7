"""Maps brought onto each other around what they explain: an object is elsewhere in each picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from xai_core.types import Array

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of a map."""

MARGIN = 2.0
"""A window's sides, in those of the box around which it is: half of it is the object's surroundings."""
LEAST = 0.125
"""Of the map: a smaller window would show the interpolation of a few places."""
SIDE = 28

_TOUCHING = np.ones((3, 3), bool)


def largest_part(there: NDArray[np.bool_]) -> Box:
    """The box around the largest part that hangs together, by sides or corners; all of the map where there is none."""
    parts, count = ndimage.label(there, _TOUCHING)
    if not count:
        return 0.0, 0.0, 1.0, 1.0
    largest = int(np.bincount(parts.ravel())[1:].argmax())
    rows, columns = ndimage.find_objects(parts)[largest]
    high, wide = there.shape
    return columns.start / wide, rows.start / high, columns.stop / wide, rows.stop / high


def window(box: Box) -> Box:
    """The square around the middle of a box that is shown of it; it may reach beyond the map."""
    side = max(LEAST, MARGIN * (box[2] - box[0]), MARGIN * (box[3] - box[1]))
    across, down = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return across - side / 2, down - side / 2, across + side / 2, down + side / 2


def around(maps: Array, boxes: NDArray[np.float64], side: int = SIDE) -> Array:
    """`(N, side, side)` float32 of maps `(N, h, w)`: of each the `window` of its box, bilinear; 0 beyond the map."""
    return np.stack([cut(one, tuple(box), side) for one, box in zip(maps, boxes.tolist(), strict=True)])


def cut(plane: Array, box: Box, side: int = SIDE) -> Array:
    """`(side, side)` float32 of one map `(h, w)`."""
    high, wide = plane.shape
    left, top, right, bottom = window(box)
    size = (right - left) * wide / side, (bottom - top) * high / side
    picture = Image.fromarray(np.pad(np.asarray(plane, np.float32), 1), mode="F")  # what is beyond is interpolated with
    return np.asarray(
        picture.transform(
            (side, side),
            Image.Transform.AFFINE,
            (size[0], 0.0, left * wide + 1, 0.0, size[1], top * high + 1),
            resample=Image.Resampling.BILINEAR,
        )
    )
