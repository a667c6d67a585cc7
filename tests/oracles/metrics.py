"""Each metric a second time, slowly, from its formula: one map at a time, place by place.

A new metric adds its entry here: what feeds the contract suite.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from xai_core.metrics import SampleParts

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


def parts_of(mask: np.ndarray) -> SampleParts:
    """Six fields of the input, each as important as the object covers it; of the middle it is not known."""
    height, width = mask.shape
    masks, importance = [], []
    for top, left in product((0, height // 2), (0, width // 3, 2 * width // 3)):
        field = np.zeros_like(mask)
        field[top : top + height // 2, left : left + width // 3] = True
        masks.append(field)
        importance.append(float(mask[field].mean()) - 0.1)
    middle = np.zeros_like(mask)
    middle[height // 4 : height // 2, width // 4 : width // 2] = True
    names = tuple(f"field {number}" for number in range(6))
    return SampleParts((*names, "middle"), np.stack([*masks, middle]), np.array([*importance, np.nan]))


def _on_parts(one: np.ndarray, mask: np.ndarray, signed: bool, params: Any) -> tuple[list[float], list[float]]:
    """The evidence on each part whose importance is known, pixel by pixel; and the importances."""
    parts, found = parts_of(mask), []
    shown = one.astype(np.float64) if signed else np.where(one > 0, one, 0).astype(np.float64)
    for number in range(6):
        values = [
            bilinear_at(
                shown, (i + 0.5) * one.shape[0] / mask.shape[0] - 0.5, (j + 0.5) * one.shape[1] / mask.shape[1] - 0.5
            )
            for i, j in np.argwhere(parts.masks[number])
        ]
        found.append(round(sum(values) / (len(values) if params.statistic == "mean" else 1), 9))
    return found, parts.importance[:6].tolist()


def part_ranking(one: np.ndarray, mask: np.ndarray, signed: bool, params: Any) -> float:
    """Pearson's correlation of mean ranks."""
    first, second = (
        [sum(other < value for other in values) + 0.5 * sum(other == value for other in values) for value in values]
        for values in _on_parts(one, mask, signed, params)
    )
    return float(np.corrcoef(first, second)[0, 1])


def top_part(one: np.ndarray, mask: np.ndarray, signed: bool, params: Any) -> float:
    """Of the first in the one, the share that is first in the other."""
    evidence, importance = _on_parts(one, mask, signed, params)
    first = [of for value, of in zip(evidence, importance, strict=True) if value == max(evidence)]
    return first.count(max(importance)) / len(first)


ORACLES: dict[str, Oracle] = {
    "energy-pointing-game": energy_pointing_game,
    "part-ranking": part_ranking,
    "sparseness": sparseness,
    "top-part": top_part,
}
