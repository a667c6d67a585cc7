"""Each metric a second time, slowly, from its formula: one map at a time, place by place.

A new metric adds its entry here: what feeds the contract suite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Oracle = Callable[[np.ndarray, np.ndarray, bool, Any], float]
"""`(map (h,w), mask (H,W), whether zero is meaningful, params) -> value`."""


def bilinear_at(one: np.ndarray, row: float, column: float) -> float:
    """The value between the four centres of places around a point; the border's beyond the outermost ones."""
    height, width = one.shape
    row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
    top, left = int(row), int(column)
    below, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = row - top, column - left
    upper = one[top, left] * (1 - across) + one[top, right] * across
    lower = one[below, left] * (1 - across) + one[below, right] * across
    return float(upper * (1 - down) + lower * down)


def energy_pointing_game(one: np.ndarray, mask: np.ndarray, _signed: bool, _params: Any) -> float:
    """Score-CAM, section 4.3, on the rectified map at the input's size."""
    positive = np.where(one > 0, one, 0).astype(np.float64)
    inside = outside = 0.0
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            row = (i + 0.5) * one.shape[0] / mask.shape[0] - 0.5
            column = (j + 0.5) * one.shape[1] / mask.shape[1] - 0.5
            value = bilinear_at(positive, row, column)
            inside, outside = inside + value * mask[i, j], outside + value * (not mask[i, j])
    return inside / (inside + outside)


def sparseness(one: np.ndarray, _mask: np.ndarray, signed: bool, params: Any) -> float:
    """Half the mean absolute difference of all pairs, divided by the mean: what a Gini index is."""
    values = (np.abs(one) if signed else np.maximum(one, 0)).astype(np.float64)
    if params.side:
        high, wide = (side // params.side for side in values.shape)
        values = values.reshape(params.side, high, params.side, wide).mean((1, 3))
    flat = values.ravel()
    return float(np.abs(flat[:, None] - flat[None]).mean() / (2 * flat.mean()))


ORACLES: dict[str, Oracle] = {
    "energy-pointing-game": energy_pointing_game,
    "sparseness": sparseness,
}
