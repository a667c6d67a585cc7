"""What in an annotation a model's predictions and their evidence speak against, as regions that a person may accept.

Three kinds, after paper 4's fourth block. **enlarge**: a thin object is predicted wider than it is annotated.
**perplexed**: something else draws evidence and is, or nearly is, predicted as the class. **missing**: the same, so
confidently and on so much evidence that the annotation may lack it. All are questions; none says who is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.label_maps import IGNORE, LabelMap, mean_width, thin_up_to
from xai_core.types import Array

Kind = Literal["enlarge", "perplexed", "missing"]
KINDS: Mapping[Kind, str] = {
    "enlarge": "A thin object is predicted wider than it is annotated.",
    "perplexed": "Something else draws evidence and is, or nearly is, predicted as the class.",
    "missing": "Predicted with confidence and on evidence, and not annotated.",
}
RULES = 1
"""Raised when they change, so that proposals by former ones are not mistaken for new ones."""

HALF = 0.5
"""Of a ring around an object, the share that has to be predicted as it and draw evidence."""
FARTHEST = 12
"""Pixels beyond which nothing is proposed as an enlargement."""
NEARLY = 0.3
"""A pixel of at least this probability is nearly predicted as a class."""
CONFIDENT, EVIDENCED = 0.8, 0.5
"""Of a region that may lack its annotation: mean probability, and evidence beside that of what is right."""
SOME = 0.1
"""Evidence beside that of what is right, below which a region draws none worth a question."""
LEAST = 2e-5
"""Share of the picture below which a region is no question, and never fewer than 12 pixels."""
MOST = 20
"""Of a picture and a class and kind, those with the highest scores."""

_AROUND = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Proposal:
    """One question about one picture.

    Attributes:
        kind: which.
        label: the class that it is about.
        region: `(H, W)` bool: the pixels that would become the class.
        pixels: of an enlargement, by how many pixels each edge would move; else 0.
        probability: of the class in the region, mean, 0…1.
        evidence: mean in the region beside the mean where the class is predicted and annotated (beside the picture's
            largest where it is nowhere both); 1 is as much as what is right draws.
    """

    kind: Kind
    label: int
    region: NDArray[np.bool_]
    pixels: int
    probability: float
    evidence: float

    @property
    def score(self) -> float:
        """Probability times evidence, of which no more than 1 counts, 0…1; what proposals are ranked by."""
        return self.probability * min(self.evidence, 1.0)


def proposals(
    truth: LabelMap,
    said: LabelMap,
    probabilities: Mapping[int, Array],
    evidence: Mapping[int, Array],
    *,
    background: bool,
) -> list[Proposal]:
    """Of a picture, those with the highest score first.

    Args:
        truth, said: `(H, W)` annotation and prediction.
        probabilities: by class `(H, W)`, 0…1.
        evidence: by class `(H, W)`, what speaks for it, ≥ 0. Classes without any are not asked about.
        background: whether class 0 is what is no object; where not, what is not annotated is what is to be ignored.
    """
    free = truth == (0 if background else IGNORE)
    found = list[Proposal]()
    for label in sorted(evidence):
        if label == 0 and background:
            continue
        scene = _Scene(
            truth == label, said == label, probabilities[label], relative(evidence[label], truth, said, label)
        )
        wider = _enlargement(scene, truth) if background else 0
        if wider:
            ring = (truth == 0) & (scene.distance <= wider)
            found.append(scene.proposal("enlarge", label, ring, wider))
        found += _regions(scene, free, truth, label, wider)
    return sorted(found, key=lambda one: (-one.score, -int(one.region.sum())))


def relative(evidence: Array, truth: LabelMap, said: LabelMap, label: int) -> Array:
    """Evidence for a class, so that where it is right the mean is 1; where it never is, the largest is 1."""
    right = (truth == label) & (said == label)
    scale = float(evidence[right].mean()) if right.any() else 0.0
    scale = scale if scale > 0 else float(evidence.max(initial=0.0))
    return evidence / np.float32(scale) if scale > 0 else np.zeros_like(evidence)


@dataclass(frozen=True)
class _Scene:
    """A class in a picture: where it is annotated, where predicted, how probable it is, and its relative evidence."""

    there: NDArray[np.bool_]
    told: NDArray[np.bool_]
    probability: Array
    evidence: Array

    @cached_property
    def _nearest(self) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        from scipy.ndimage import distance_transform_edt

        if not self.there.any():
            return np.full(self.there.shape, np.inf), np.indices(self.there.shape, np.int32)
        distance, nearest = distance_transform_edt(~self.there, return_indices=True)
        return distance, nearest

    @property
    def distance(self) -> NDArray[np.float64]:
        """`(H, W)`: pixels to the nearest one that is annotated so; infinite where none is."""
        return self._nearest[0]

    @property
    def told_nearest(self) -> NDArray[np.bool_]:
        """`(H, W)`: whether the nearest pixel that is annotated so is predicted, too."""
        rows, columns = self._nearest[1]
        found: NDArray[np.bool_] = self.told[rows, columns]
        return found

    def proposal(self, kind: Kind, label: int, region: NDArray[np.bool_], pixels: int = 0) -> Proposal:
        probability, evidence = (float(plane[region].mean()) for plane in (self.probability, self.evidence))
        return Proposal(kind, label, region, pixels, probability, evidence)


def _enlargement(scene: _Scene, truth: LabelMap) -> int:
    """By how many pixels a thin object's edges would move: the last of the rings, one pixel wide and one after the
    other, of which at least HALF is predicted as the class and draws SOME evidence.

    Only where the object's nearest pixel is predicted as well: what is missed as a whole says nothing of its width.
    """
    if not scene.there.any() or mean_width(scene.there) > thin_up_to(*truth.shape):
        return 0
    distance = scene.distance
    around = (truth == 0) & scene.told_nearest & (distance <= FARTHEST)
    wide = scene.told & (scene.evidence >= SOME)
    for pixels in range(1, FARTHEST + 1):
        ring = around & (distance > pixels - 1) & (distance <= pixels)
        if not ring.any() or wide[ring].mean() < HALF:
            return pixels - 1
    return FARTHEST


def _regions(scene: _Scene, free: NDArray[np.bool_], truth: LabelMap, label: int, wider: int) -> Iterator[Proposal]:
    """What is, or nearly is, predicted as the class away from where it is annotated, each connected region by itself.

    What touches the object (with its enlargement) is about where its edge is, and no question of its own.
    """
    from scipy.ndimage import find_objects
    from scipy.ndimage import label as connected

    outside = free | ((truth != label) & (truth != IGNORE))
    asked = outside & (scene.told | (scene.probability >= NEARLY))
    parts, count = connected(asked, _AROUND)
    if not count:
        return
    near = scene.distance <= wider + 1
    least = max(12, round(LEAST * truth.size))
    found = []
    for number, box in enumerate(find_objects(parts), 1):
        region = parts == number if box is None else _within(parts, box, number)
        if int(region.sum()) < least or (region & near).any():
            continue
        one = scene.proposal("perplexed", label, region)
        if one.evidence < SOME:
            continue
        sure = one.probability >= CONFIDENT and one.evidence >= EVIDENCED and bool(free[region].all())
        found.append(scene.proposal("missing" if sure else "perplexed", label, region))
    for kind in ("perplexed", "missing"):
        yield from sorted((one for one in found if one.kind == kind), key=lambda one: -one.score)[:MOST]


def _within(parts: NDArray[np.int32], box: tuple[slice, ...], number: int) -> NDArray[np.bool_]:
    region = np.zeros(parts.shape, bool)
    region[box] = parts[box] == number
    return region
