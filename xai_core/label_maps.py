"""Label maps: the class of every pixel of a picture, `(H, W)` uint8 class indices, and how they are made smaller."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IGNORE = 255
"""A pixel of no known class: nothing is learned from it and nothing counted."""

ORIGINAL = "original"
"""The annotation as the data has it, beside which its versions lie."""

REVIEWED = "reviewed"
"""The version that decisions of people are part of where none is named."""

BACKGROUND = "background"
"""Called so, class 0 is what is no object."""

MOST_CLASSES = IGNORE

KEPT_SHARE = 0.25
"""A pixel of a smaller label map is an object's from this share of its area on; the background has to have the rest."""

LabelMap = NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in a picture's pixels; it may reach beyond the picture."""


def has_background(class_names: Sequence[str]) -> bool:
    """Whether class 0 is what is no object."""
    return bool(class_names) and class_names[0].casefold() == BACKGROUND


def objects(label_map: LabelMap, background: bool) -> NDArray[np.bool_]:
    """`(H, W)`: where an object is: a known class, and not the background where there is one."""
    known: NDArray[np.bool_] = label_map != IGNORE
    return known & (label_map > 0) if background else known


def dominant(label_map: LabelMap, background: bool) -> int:
    """The object class with most pixels, of equals the first; 0 where no object is."""
    counts = np.bincount(label_map[objects(label_map, background)], minlength=1)
    return int(counts.argmax())


def sparse_confusion(truth: LabelMap, said: LabelMap, classes: int) -> NDArray[np.int64]:
    """`(m, 3)` of what occurs: true class, class that was said, and how many pixels. Ignored ones are left out."""
    known = (truth != IGNORE) & (said != IGNORE)
    pairs = np.bincount(truth[known].astype(np.int64) * classes + said[known])
    there = np.flatnonzero(pairs)
    return np.stack([there // classes, there % classes, pairs[there]], axis=1).astype(np.int64)


def dense(counts: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """`(K, K)` pixels, truth in rows, from sparse ones."""
    found = np.zeros((classes, classes), np.int64)
    np.add.at(found, (counts[:, 0], counts[:, 1]), counts[:, 2])
    return found


def iou(confusion: NDArray[np.integer]) -> NDArray[np.float64]:
    """`(K,)` intersection over union of each class, 0…1, from `(K, K)` pixels: truth in rows, what was said in columns.

    NaN for a class that is neither there nor said to be.
    """
    hit = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    union = confusion.sum(-1) + confusion.sum(-2) - hit
    return np.divide(hit, union, out=np.full(hit.shape, np.nan), where=union > 0)


def resized(label_map: LabelMap, box: Box, height: int, width: int, background: bool) -> LabelMap:
    """What lies in a box of a label map, as `(height, width)`.

    Nearest neighbours would break an object of few pixels into pieces, and a majority would drop it. So each new pixel
    weighs the area that it stands for: it is an object's where objects have `KEPT_SHARE` of it, of several the largest
    one's; otherwise the background's. A cable two pixels wide stays whole down to a quarter of the size. Objects gain
    up to a quarter of a new pixel at their edges. Without a background the largest share counts. Where half or more is
    to be ignored or lies outside the picture, so is the pixel.
    """
    inside, part = _with_border(label_map, box)
    if inside.shape == (height, width) and part == (0.0, 0.0, float(width), float(height)):
        return inside
    classes = np.unique(inside)
    shares = np.stack([_share(inside == each, part, height, width) for each in classes.tolist()])
    ignored = shares[classes == IGNORE].sum(0)
    is_object = (classes != IGNORE) & ((classes > 0) | (not background))
    weighed = np.where(is_object[:, None, None], shares, 0.0)
    found = classes[weighed.argmax(0)] if is_object.any() else np.zeros((height, width), np.uint8)
    if background:
        found = np.where(weighed.sum(0) >= KEPT_SHARE, found, 0)
    return np.where(ignored >= 0.5, IGNORE, found).astype(np.uint8)


def share_in(there: NDArray[np.bool_], box: Box, height: int, width: int) -> NDArray[np.float32]:
    """What lies in a box of a mask, as `(height, width)` 0…1: how much of the area of each new pixel is there.

    What is beyond the picture is not. However thin a region is, it keeps its area.
    """
    inside, part = _with_border(there.astype(np.uint8), box)
    return np.array(_share(inside == 1, part, height, width))


def _share(there: NDArray[np.bool_], part: Box, height: int, width: int) -> NDArray[np.float32]:
    """`(height, width)` 0…1: how much of the area of each new pixel is there. To a larger size, the nearest pixel."""
    picture = Image.fromarray(there.astype(np.float32))
    shrinks = part[2] - part[0] > width or part[3] - part[1] > height
    how = Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
    return np.asarray(picture.resize((width, height), how, box=part))


def _with_border(label_map: LabelMap, box: Box) -> tuple[LabelMap, Box]:
    """The map, surrounded by pixels to ignore where the box reaches beyond it, and the box in that."""
    high, wide = label_map.shape
    left, top, right, bottom = box
    before = max(0, int(np.ceil(-top))), max(0, int(np.ceil(-left)))
    after = max(0, int(np.ceil(bottom - high))), max(0, int(np.ceil(right - wide)))
    if not any((*before, *after)):
        return label_map, box
    padded = np.pad(label_map, tuple(zip(before, after, strict=True)), constant_values=IGNORE)
    return padded, (left + before[1], top + before[0], right + before[1], bottom + before[0])


def enlarged(label_map: LabelMap, classes: Sequence[int], pixels: float, background: int = 0) -> LabelMap:
    """The map with objects of these classes grown outwards by so many pixels, over the background alone.

    A background pixel becomes an object's whose nearest pixel is no farther than that, centre from centre: a straight
    edge at any angle moves by `pixels`. Of several classes the nearest wins, of equally near ones the first given.
    Other objects, and pixels to be ignored, stay.
    """
    from scipy.ndimage import distance_transform_edt

    nearest, grown, reach = np.full(label_map.shape, np.inf), label_map.copy(), int(np.ceil(pixels))
    for index in classes:
        there = label_map == index
        rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
        if not len(rows):
            continue
        box = tuple(slice(max(0, at[0] - reach), at[-1] + reach + 1) for at in (rows, columns))  # no farther is reached
        distance = distance_transform_edt(~there[box])
        new = (label_map[box] == background) & (distance <= pixels) & (distance < nearest[box])
        nearest[box][new], grown[box][new] = distance[new], index
    return grown


THIN = 0.04
"""Objects whose mean width is at most this share of the picture's shorter side, or two pixels, are thin: cables and
wires of the data that this was measured on have 0.7 to 2.6 %, bags and towers 4.7 to 7.7 %."""


def thin_up_to(height: int, width: int) -> float:
    """The mean width in pixels up to which objects of a picture of this size are thin."""
    return max(2.0, THIN * min(height, width))


def mean_width(there: NDArray[np.bool_]) -> float:
    """How wide objects are, in pixels, on the mean over their pixels; NaN where there are none.

    In a straight strip of w pixels the mean distance to the nearest pixel outside is (w + 2) / 4, so this is four times
    that mean less two: w itself of an even strip, a third more at the most of an odd one; of a disc two thirds of its
    width.
    """
    from scipy.ndimage import distance_transform_edt

    if not there.any():
        return float("nan")
    inside = distance_transform_edt(np.pad(there, 1, mode="edge"))[1:-1, 1:-1][there]
    return float(4 * inside.mean() - 2)
