"""How well a segmenter draws the boundary of each class: what a thin or ragged object costs, and IoU hardly shows.

Csurka, Larlus, Perronnin 2013, What is a good evaluation measure for semantic segmentation?: a boundary pixel of the
prediction is right where one of the annotation lies nearer than a tolerance, and the other way round; F1 is of the two
shares. The tolerance is TOLERANCE of the picture's diagonal, as there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xai_core.label_maps import IGNORE, LabelMap

TOLERANCE = 0.0075
"""Of the picture's diagonal."""

COLUMNS = 5
"""Of `boundary_counts`."""


def boundary_counts(truth: LabelMap, said: LabelMap) -> NDArray[np.int64]:
    """`(m, 5)` of each class that has a boundary: class, boundary pixels of the prediction, those of them that are
    right, boundary pixels of the annotation, those of them that are found.

    A boundary pixel is of its class and has another class above, below, left or right of it; pixels to ignore, and the
    picture's border, bound nothing.

    Args:
        truth, said: `(H, W)` class indices, 255 to ignore.
    """
    known = (truth != IGNORE) & (said != IGNORE)
    both = [np.where(known, each, IGNORE).astype(np.uint8) for each in (truth, said)]
    edges = [_edges(each) for each in both]
    theirs = [each[edge] for each, edge in zip(both, edges, strict=True)]
    places = [np.argwhere(edge) for edge in edges]
    near = TOLERANCE * float(np.hypot(*truth.shape))
    found = []
    for one in np.unique(np.concatenate(theirs)).tolist():
        of_truth, of_said = (place[label == one] for place, label in zip(places, theirs, strict=True))
        right, hit = _within(of_said, of_truth, near), _within(of_truth, of_said, near)
        found.append((one, len(of_said), right, len(of_truth), hit))
    return np.array(found, np.int64).reshape(-1, COLUMNS)


def dense_boundaries(counts: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """`(K, 4)` boundary pixels of each class, in the order of `boundary_counts`, from sparse ones."""
    whole = np.zeros((classes, COLUMNS - 1), np.int64)
    whole[counts[:, 0]] = counts[:, 1:]
    return whole


def _edges(label_map: LabelMap) -> NDArray[np.bool_]:
    """`(H, W)` where a known class has another known one beside it."""
    edge = np.zeros(label_map.shape, bool)
    for labels, there in ((label_map, edge), (label_map.T, edge.T)):  # views: both write into `edge`
        one, other = labels[:-1], labels[1:]
        differ = (one != other) & (one != IGNORE) & (other != IGNORE)
        there[:-1] |= differ
        there[1:] |= differ
    return edge


def _within(points: NDArray[np.int64], others: NDArray[np.int64], near: float) -> int:
    """How many points have another one nearer than `near` pixels."""
    from scipy.spatial import cKDTree

    if not len(points) or not len(others):
        return 0
    distances, _ = cKDTree(others).query(points, distance_upper_bound=near + 1)
    return int((distances < near).sum())
