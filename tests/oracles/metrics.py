"""Each metric a second time, slowly, from its formula: one map at a time, place by place.

A new metric adds its entry here: what feeds the contract suite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from xai_core.metrics import SampleParts
from xai_core.types import Target


@dataclass(frozen=True)
class Case:
    """One map and what is known of its sample.

    Attributes:
        one: `(h, w)` the map.
        mask: `(H, W)` bool.
        signed: whether zero is meaningful.
        target: what the map explains.
        seed: of the sample.
        x: `(C, H, W)` the model's input; 0.5 + 0.25 x is the picture on the 0…1 scale.
        ask: `(C, H, W) -> (K,)` the model's logits.
        explain: `(C, H, W) -> (h, w)` the method again.
    """

    one: np.ndarray
    mask: np.ndarray
    signed: bool
    target: Target
    seed: int
    x: np.ndarray
    ask: Callable[[np.ndarray], np.ndarray]
    explain: Callable[[np.ndarray], np.ndarray]


Oracle = Callable[[Case, Any], float]
"""`(case, params) -> value`."""

BLACK = -2.0
"""0 on the 0…1 scale, as the model's input."""


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


def enlarged(one: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """On a larger grid, place by place."""
    made = np.zeros(size)
    for i in range(size[0]):
        for j in range(size[1]):
            row = (i + 0.5) * one.shape[0] / size[0] - 0.5
            column = (j + 0.5) * one.shape[1] / size[1] - 0.5
            made[i, j] = bilinear_at(one.astype(np.float64), row, column)
    return made


def rectified(case: Case) -> np.ndarray:
    """The evidence for, at the input's size, with a maximum of 1."""
    large = enlarged(np.where(case.one > 0, case.one, 0), case.mask.shape)
    return np.round(large / large.max(), 7)


def energy_pointing_game(case: Case, _params: Any) -> float:
    """Score-CAM, section 4.3, on the rectified map at the input's size."""
    positive = rectified(case)
    inside = outside = 0.0
    for i in range(case.mask.shape[0]):
        for j in range(case.mask.shape[1]):
            value = positive[i, j]
            inside, outside = inside + value * case.mask[i, j], outside + value * (not case.mask[i, j])
    return inside / (inside + outside)


def context_share(case: Case, params: Any) -> float:
    """The evidence at every place whose nearest place of the mask is farther than the distance."""
    positive, away = rectified(case), 0.0
    on = [place for place in np.ndindex(*case.mask.shape) if case.mask[place]]
    for place in np.ndindex(*case.mask.shape):
        nearest = min(math.dist(place, other) for other in on)
        away += positive[place] * (nearest > params.distance * min(case.mask.shape))
    return away / positive.sum()


def bbox(case: Case, _params: Any) -> float:
    """Schulz et al., section 4.3; a place at the limit counts as far as room is left for those that are like it."""
    positive, (rows, columns) = rectified(case), np.nonzero(case.mask)
    inside = {(i, j) for i in range(rows.min(), rows.max() + 1) for j in range(columns.min(), columns.max() + 1)}
    values = sorted(positive.ravel().tolist(), reverse=True)
    limit = values[len(inside) - 1]
    room = (len(inside) - sum(value > limit for value in values)) / values.count(limit)
    counts = [1.0 if positive[place] > limit else room if positive[place] == limit else 0.0 for place in inside]
    return sum(counts) / len(inside)


def iou(case: Case, params: Any) -> float:
    """Of the sets of places."""
    positive = rectified(case)
    cut = {place for place in np.ndindex(*case.mask.shape) if positive[place] >= params.threshold}
    on = {place for place in np.ndindex(*case.mask.shape) if case.mask[place]}
    return len(cut & on) / len(cut | on)


def pointing_game(case: Case, params: Any) -> float:
    """The distance from the highest place to the nearest of the mask."""
    positive = rectified(case)
    highest = [place for place in np.ndindex(*case.mask.shape) if positive[place] == positive.max()]
    on = [place for place in np.ndindex(*case.mask.shape) if case.mask[place]]
    far = [min(math.dist(one, other) for other in on) for one in highest]
    return sum(each <= params.tolerance * max(case.mask.shape) for each in far) / len(far)


def sparseness(case: Case, params: Any) -> float:
    """Half the mean absolute difference of all pairs, divided by the mean: what a Gini index is."""
    values = (np.abs(case.one) if case.signed else np.maximum(case.one, 0)).astype(np.float64)
    if params.side:
        high, wide = (side // params.side for side in values.shape)
        values = values.reshape(params.side, high, params.side, wide).mean((1, 3))
    flat = values.ravel()
    return float(np.abs(flat[:, None] - flat[None]).mean() / (2 * flat.mean()))


def complexity(case: Case, params: Any) -> float:
    """Bhatt et al., section 3.3, as a share of what n equal places have."""
    assert not params.side
    values = [abs(value) if case.signed else max(value, 0.0) for value in case.one.ravel().tolist()]
    shares = [value / sum(values) for value in values if value]
    return -sum(share * math.log(share) for share in shares) / math.log(len(values))


def probability(case: Case, x: np.ndarray) -> float:
    """Of the class among all; of a difference among its two classes."""
    logits = case.ask(x).astype(np.float64)
    one, other = case.target.positive, case.target.negative
    rivals = range(len(logits)) if other is None else (one, other)
    return 1 / sum(math.exp(logits[rival] - logits[one]) for rival in rivals)


def logit(case: Case, x: np.ndarray) -> float:
    """Of the class, minus that of the other one of a difference."""
    logits = case.ask(x).astype(np.float64)
    return float(logits[case.target.positive] - (0 if case.target.negative is None else logits[case.target.negative]))


def masked(case: Case) -> np.ndarray:
    """The picture's pixels times the map, as the model's input."""
    pixels = 0.5 + 0.25 * case.x
    return (pixels * rectified(case) - 0.5) / 0.25


def average_drop(case: Case, params: Any) -> float:
    """Grad-CAM++, section 5.1, on pixels."""
    assert params.fill == "black"
    whole = probability(case, case.x)
    return max(0.0, whole - probability(case, masked(case))) / whole


def increase(case: Case, params: Any) -> float:
    """Grad-CAM++, section 5.1, on pixels."""
    assert params.fill == "black"
    return float(probability(case, masked(case)) > probability(case, case.x))


def order(case: Case) -> list[tuple[int, int]]:
    """Places with the most evidence first; those that are alike as a golden dither has them."""
    values = enlarged(case.one, case.mask.shape) if case.signed else rectified(case)
    values = np.round(values / np.abs(values).max(), 7)
    places = [(i, j) for i, j in np.ndindex(*case.mask.shape)]
    return sorted(places, key=lambda p: (-values[p], (p[0] * 0.7548776662466927 + p[1] * 0.5698402909980532) % 1))


def blurred(x: np.ndarray) -> np.ndarray:
    """A Gaussian of a twentieth of the shorter side, mirrored at the border."""
    sigma = 0.05 * min(x.shape[1:])
    reach = math.ceil(3 * sigma)
    weights = [math.exp(-((offset / sigma) ** 2) / 2) for offset in range(-reach, reach + 1)]
    made = x.astype(np.float64)
    for axis in (1, 2):
        padded = np.pad(made, [(reach, reach) if axis == each else (0, 0) for each in range(3)], mode="reflect")
        parts = [padded.take(range(at, at + x.shape[axis]), axis) * w for at, w in enumerate(weights)]
        made = sum(parts) / sum(weights)
    return made


def deletion(case: Case, params: Any) -> float:
    """RISE, algorithm 1: with the mean as substrate, in steps of equal numbers of pixels."""
    assert (params.fill, params.score) == ("mean", "probability")
    x, places = case.x.copy(), order(case)
    each = len(places) // params.steps
    heights = [probability(case, x)]
    for step in range(params.steps):
        for i, j in places[step * each : (step + 1) * each]:
            x[:, i, j] = 0
        heights.append(probability(case, x))
    return (sum(heights) - (heights[0] + heights[-1]) / 2) / params.steps


def insertion(case: Case, params: Any) -> float:
    """RISE, algorithm 1: from the blurred picture, in steps of equal numbers of pixels."""
    assert (params.fill, params.score) == ("blur", "probability")
    x, places = blurred(case.x), order(case)
    each = len(places) // params.steps
    heights = [probability(case, x)]
    for step in range(params.steps):
        for i, j in places[step * each : (step + 1) * each]:
            x[:, i, j] = case.x[:, i, j]
        heights.append(probability(case, x))
    return (sum(heights) - (heights[0] + heights[-1]) / 2) / params.steps


def imputed(x: np.ndarray, gone: set[tuple[int, int]]) -> np.ndarray:
    """Each missing pixel the weighted mean of its neighbours: all equations, as a full system."""
    size, places = x.shape[1:], sorted(gone)
    number = {place: at for at, place in enumerate(places)}
    system, known = np.zeros((len(places), len(places))), np.zeros((len(places), len(x)))
    for at, (i, j) in enumerate(places):
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                there = (i + down, j + across)
                if (down, across) == (0, 0) or not (0 <= there[0] < size[0] and 0 <= there[1] < size[1]):
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                system[at, at] += weight
                if there in number:
                    system[at, number[there]] -= weight
                else:
                    known[at] += weight * x[:, there[0], there[1]]
    made, solved = x.astype(np.float64), np.linalg.solve(system, known)
    for at, (i, j) in enumerate(places):
        made[:, i, j] = solved[at]
    return made


def road(case: Case, params: Any) -> float:
    """ROAD, algorithm 1, from both ends."""
    noise = np.random.default_rng(case.seed).standard_normal(case.x.shape) * params.noise
    places, gaps = order(case), []
    for step in range(1, params.steps):
        many = round(step * len(places) / params.steps)
        left = []
        for gone in (set(places[-many:]), set(places[:many])):
            here = np.array([[(i, j) in gone for j in range(case.x.shape[2])] for i in range(case.x.shape[1])])
            left.append(probability(case, np.where(here, imputed(case.x, gone) + noise, case.x)))
        gaps.append(left[0] - left[1])
    return sum(gaps) / len(gaps)


def infidelity(case: Case, params: Any) -> float:
    """Yeh et al., equation 1 with the best scale that is not negative, as a share of E[v²]."""
    assert (params.fill, params.score) == ("mean", "logit")
    large = enlarged(case.one if case.signed else np.maximum(case.one, 0), case.mask.shape)
    tall, wide = (round(side * params.side) for side in case.mask.shape)
    draw = np.random.default_rng(case.seed)
    tops = draw.integers(0, case.mask.shape[0] - tall + 1, params.patches)
    lefts = draw.integers(0, case.mask.shape[1] - wide + 1, params.patches)
    told, lost = [], []
    for top, left in zip(tops, lefts, strict=True):
        x = case.x.copy()
        x[:, top : top + tall, left : left + wide] = 0
        told.append(large[top : top + tall, left : left + wide].sum())
        lost.append(logit(case, case.x) - logit(case, x))
    u, v = np.array(told), np.array(lost)
    best = max(0.0, (u * v).sum() / (u * u).sum())
    return float(((best * u - v) ** 2).mean() / (v * v).mean())


def max_sensitivity(case: Case, params: Any) -> float:
    """Yeh et al., definition 2.2, over pictures drawn within the radius."""
    drawn, draw = [], np.random.default_rng(case.seed)

    def shown(x: np.ndarray) -> np.ndarray:
        made = case.explain(x).astype(np.float64)
        return made if case.signed else np.maximum(made, 0)

    first = shown(case.x)
    for _ in range(params.samples):
        change = draw.uniform(-params.radius, params.radius, case.x.shape)
        drawn.append(np.linalg.norm(shown(case.x + change / 0.25) - first) / np.linalg.norm(first))
    return float(max(drawn))


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


def _on_parts(case: Case, params: Any) -> tuple[list[float], list[float]]:
    """The evidence on each part whose importance is known, pixel by pixel; and the importances."""
    parts, found = parts_of(case.mask), []
    large = enlarged(case.one if case.signed else np.where(case.one > 0, case.one, 0), case.mask.shape)
    for number in range(6):
        values = [large[i, j] for i, j in np.argwhere(parts.masks[number])]
        found.append(round(sum(values) / (len(values) if params.statistic == "mean" else 1), 9))
    return found, parts.importance[:6].tolist()


def part_ranking(case: Case, params: Any) -> float:
    """Pearson's correlation of mean ranks."""
    first, second = (
        [sum(other < value for other in values) + 0.5 * sum(other == value for other in values) for value in values]
        for values in _on_parts(case, params)
    )
    return float(np.corrcoef(first, second)[0, 1])


def top_part(case: Case, params: Any) -> float:
    """Of the first in the one, the share that is first in the other."""
    evidence, importance = _on_parts(case, params)
    first = [of for value, of in zip(evidence, importance, strict=True) if value == max(evidence)]
    return first.count(max(importance)) / len(first)


ORACLES: dict[str, Oracle] = {
    "average-drop": average_drop,
    "bbox": bbox,
    "complexity": complexity,
    "context-share": context_share,
    "deletion": deletion,
    "energy-pointing-game": energy_pointing_game,
    "increase": increase,
    "infidelity": infidelity,
    "insertion": insertion,
    "iou": iou,
    "max-sensitivity": max_sensitivity,
    "pointing-game": pointing_game,
    "road": road,
    "part-ranking": part_ranking,
    "sparseness": sparseness,
    "top-part": top_part,
}

QUICK: dict[str, dict[str, Any]] = {
    "context-share": {"distance": 0.1},
    "deletion": {"steps": 6},
    "infidelity": {"patches": 6},
    "insertion": {"steps": 6},
    "iou": {"threshold": 0.3},
    "max-sensitivity": {"samples": 3},
    "pointing-game": {"tolerance": 0.1},
    "road": {"steps": 3},
}
"""Parameters for the suite, where not the defaults."""
