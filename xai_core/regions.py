"""Regions of a segmenter's output: which pixels of a picture a target is about.

A target of a segmenter is a class at the places of a region, `3@missed`, or two classes where one was taken for the
other, `2-0@confused`. Without a region it is about all places.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.errors import BadInput
from xai_core.label_maps import IGNORE, LabelMap
from xai_core.types import TARGET_SPECS, Target

Mask = NDArray[np.bool_]

CONFUSED = "confused"
REGIONS: Mapping[str, str] = {
    "predicted": "where it is predicted",
    "true": "where it is annotated",
    "missed": "where it is annotated and something else is predicted",
    "invented": "where it is predicted and something else is annotated",
    CONFUSED: "where the one is annotated and the other predicted",
}
"""Regions that have a name, and what they are. `confused` is about two classes, the others about one."""

BOX, PART, CELL = "box", "part", "cell"
HOW_TO_WRITE = (
    f"Write CLASS@REGION, with one of {', '.join(REGIONS)}, box=LEFT,TOP,RIGHT,BOTTOM (whole pixels from 0, left "
    "before right, top before bottom), part=X,Y or cell=ANNOTATED,PREDICTED (class indices)."
)

_PLACES = {BOX: 4, PART: 2, CELL: 2}
_NUMBERS = re.compile(r"(box|part|cell)=([0-9]{1,6}(?:,[0-9]{1,6})*)", re.ASCII)
_TOUCHING = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Place:
    """A region given by numbers: in a picture's pixels `box` left, top, right, bottom or `part` x, y; by class indices
    `cell`, what is annotated and what is predicted."""

    kind: str
    at: tuple[int, ...]

    @property
    def region(self) -> str:
        """As a target has it."""
        return f"{self.kind}={','.join(map(str, self.at))}"


def place_of(region: str) -> Place | None:
    """The numbers of a region; None for one with a name, and for no region."""
    found = _NUMBERS.fullmatch(region)
    if found is None:
        return None
    kind, at = found[1], tuple(map(int, found[2].split(",")))
    fits = len(at) == _PLACES[kind] and (kind != BOX or (at[0] < at[2] and at[1] < at[3]))
    return Place(kind, at) if fits else None


def check_region(target: Target) -> Target:
    """The target itself. Raises BadInput where its region is none, or does not fit its classes."""
    region = target.region
    if region and region not in REGIONS and place_of(region) is None:
        raise BadInput("not a region", value=region, remedy=HOW_TO_WRITE)
    if (target.negative is None) == (region == CONFUSED) and region != "":
        remedy = f"Write P-T@{CONFUSED} for T taken for P, and CLASS@REGION for every other region."
        raise BadInput("a region that does not fit its classes", value=target.key, remedy=remedy)
    return target


def region_mask(target: Target, truth: LabelMap, said: LabelMap) -> Mask:
    """`(H, W)`: where a target is about, on the picture's pixels; nowhere where nothing is.

    Pixels without a known class are of no region but a box, a part and the whole picture. A part is what hangs together
    (by sides or corners) around its pixel: of what is predicted to be the class, else of what is annotated so.

    Args:
        target: of a segmenter.
        truth, said: `(H, W)` the annotation and the prediction.

    Raises:
        BadInput: as `check_region`.
    """
    check_region(target)
    place, known = place_of(target.region), truth != IGNORE
    if place is not None and place.kind == CELL:
        return (truth == place.at[0]) & (said == place.at[1]) & known
    if place is not None:
        return _box(place, said.shape) if place.kind == BOX else _part(place, target.positive, truth, said)
    found: Mask = _NAMED[target.region](target, truth, said)
    return found & known if target.region else found


_NAMED: Mapping[str, Callable[[Target, LabelMap, LabelMap], Mask]] = {
    "": lambda _, __, said: np.ones(said.shape, bool),
    "predicted": lambda target, _, said: said == target.positive,
    "true": lambda target, truth, _: truth == target.positive,
    "missed": lambda target, truth, said: (truth == target.positive) & (said != target.positive),
    "invented": lambda target, truth, said: (said == target.positive) & (truth != target.positive),
    CONFUSED: lambda target, truth, said: (said == target.positive) & (truth == target.negative),
}


def _box(place: Place, shape: tuple[int, ...]) -> Mask:
    left, top, right, bottom = place.at
    found = np.zeros(shape, bool)
    found[top:bottom, left:right] = True
    return found


def _part(place: Place, positive: int, truth: LabelMap, said: LabelMap) -> Mask:
    x, y = place.at
    if y < said.shape[0] and x < said.shape[1]:
        for there in (said == positive, truth == positive):
            if there[y, x]:
                parts, _ = ndimage.label(there, _TOUCHING)
                whole: Mask = parts == parts[y, x]
                return whole
    return np.zeros(said.shape, bool)


def in_cell(positive: int, true: int, predicted: int) -> Target:
    """Evidence for one class where one is annotated and one predicted."""
    return Target(positive, region=Place(CELL, (true, predicted)).region)


def of_cell(true: int, predicted: int, spec: str = "difference") -> Target:
    """What maps of a cell of the confusion explain, at the cell's own pixels: the predicted class rather than the true
    one; or one of both, `predicted` or `true`. On the diagonal they are one class, which has no difference."""
    if true != predicted and spec not in ("predicted", "true"):
        return Target(predicted, true, CONFUSED)
    return in_cell(true if spec == "true" else predicted, true, predicted)


def region_words(target: Target) -> str:
    """Where that is, in words; "" for everywhere."""
    place = place_of(target.region)
    if place is None:
        return REGIONS.get(target.region, "")
    if place.kind == CELL:
        return f"where class {place.at[0]} is annotated and class {place.at[1]} predicted"
    numbers = ", ".join(map(str, place.at))
    return f"in the box {numbers}" if place.kind == BOX else f"in its part at {numbers}"


def nothing_there(target: Target) -> str:
    """Why there is nothing to explain of a target whose region has no pixel."""
    return f"the region is empty: the picture has no pixel {region_words(target) or 'at all'}"


def spec_name(spec: str, names: Sequence[str]) -> str:
    """What is asked for as a person writes it: `predicted`, `cable`, `cable@missed`, `P-T@confused`.

    Args:
        spec: one of TARGET_SPECS, or the key of a target.
        names: of the classes.
    """
    if spec in TARGET_SPECS:
        return spec
    target = Target.parse(spec)
    classes = "-".join(names[index] for index in (target.positive, target.negative) if index is not None)
    return f"{classes}@{target.region}" if target.region else classes
