"""Where in its picture each target is, on the grid of the model's input: the object's mask, a segmenter's region."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import XaiError
from xai_core.models.preprocess import Preprocess
from xai_core.regions import nothing_there
from xai_core.store.run import Run
from xai_core.store.targets import asked_about as place_asked_about
from xai_core.store.targets import mask_of, region_of
from xai_core.task import SEGMENTATION
from xai_core.types import Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

NO_MASK = "this sample has no mask, which the method needs"

Plane = NDArray[Any]


@dataclass(frozen=True)
class Places:
    """Of N targets, by number.

    Attributes:
        there: `(H, W)` on the grid of the model's input: masks are bool, regions float32 0…1.
        lacking: why others have none.
        unread: why others cannot be read.
    """

    there: Mapping[int, Plane]
    lacking: Mapping[int, str]
    unread: Mapping[int, XaiError]


def masks_of(
    run: Run, rows: NDArray[np.int64], targets: Sequence[Target], preprocess: Preprocess | None = None
) -> Places:
    """What maps of these samples and targets ought to be on: see `store.targets.mask_of`.

    Args:
        preprocess: on whose pixels; None for what methods are given, a picture's canvas.
    """
    preprocess, by_class = preprocess or preprocess_of(run).canvas, run.study.info.task == SEGMENTATION

    def read(row: int, target: Target) -> Plane | str:
        mask = mask_of(run, row, target)
        return NO_MASK if mask is None else preprocess.mask(mask)

    return _each(rows, targets, read, lambda row, target: (row, target.positive if by_class else None))


def regions_of(run: Run, rows: NDArray[np.int64], targets: Sequence[Target]) -> Places:
    """Of a segmenter, how much of each place is in the target's region; an empty one is none."""
    preprocess = preprocess_of(run).canvas

    def read(row: int, target: Target) -> Plane | str:
        share = preprocess.share(region_of(run, row, target))
        return share if share.any() else nothing_there(target)

    return _each(rows, targets, read, lambda row, target: (row, target))


def asked_about(run: Run, rows: NDArray[np.int64], targets: Sequence[Target]) -> Places:
    """What maps of these samples and targets are about, bool: see `store.targets.asked_about`."""
    preprocess = preprocess_of(run).whole

    def read(row: int, target: Target) -> Plane | str:
        found = place_asked_about(run, row, target, preprocess)
        return NO_MASK if found is None else found

    return _each(rows, targets, read, lambda row, target: (row, target))


def preprocess_of(run: Run) -> Preprocess:
    """Of the run's model. Raises BadInput where `run.json` does not tell it."""
    return Preprocess.from_dict(run.info.preprocess or {})


def inside_of(run: Run, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """`(n, 4)` where on the canvas each picture lies, for a model that sees tiles; else None."""
    return inside(preprocess_of(run), run.study.samples[["width", "height"]].to_numpy()[rows].tolist())


def inside(preprocess: Preprocess, sizes: Sequence[Sequence[int]]) -> NDArray[np.int64] | None:
    """The same of pictures of these widths and heights."""
    if not preprocess.tiled:
        return None
    return np.array([preprocess.canvas.inside(*size) for size in sizes], np.int64).reshape(-1, 4)


def _each(
    rows: NDArray[np.int64],
    targets: Sequence[Target],
    read: Callable[[int, Target], Plane | str],
    same: Callable[[int, Target], Hashable],
) -> Places:
    """Each is read once. One that cannot be read costs no other."""
    known = dict[Hashable, Plane | str | XaiError]()
    there, lacking, unread = dict[int, Plane](), dict[int, str](), dict[int, XaiError]()
    for place, (row, target) in enumerate(zip(rows.tolist(), targets, strict=True)):
        if (key := same(row, target)) not in known:
            known[key] = _tried(read, row, target)
        found = known[key]
        if isinstance(found, XaiError):
            unread[place] = found
        elif isinstance(found, str):
            lacking[place] = found
        else:
            there[place] = found
    return Places(there, lacking, unread)


def _tried(read: Callable[[int, Target], Plane | str], row: int, target: Target) -> Plane | str | XaiError:
    try:
        return read(row, target)
    except XaiError as error:
        return error


NOWHERE = Places({}, {}, {})


def together(*found: Places) -> Places:
    """Why something is lacking or unread in any of them; what is there stays with each."""
    lacking = {place: why for each in found for place, why in each.lacking.items()}
    return Places({}, lacking, {place: why for each in found for place, why in each.unread.items()})


def planes(found: Places, places: NDArray[np.int64], classifier: Classifier) -> Tensor | None:
    """`(n, H, W)` of those of these numbers, which all are there, on the classifier's device; None where none is."""
    import torch

    if not found.there:
        return None
    return torch.from_numpy(np.stack([found.there[place] for place in places.tolist()])).to(classifier.device)


def refused(reasons: Sequence[str]) -> Explanation:
    """No map of any sample, each for its reason."""
    return Explanation(np.full((len(reasons), 1, 1), np.nan, np.float32), {}, tuple(reasons))


def among(made: Explanation, places: NDArray[np.int64], reasons: Mapping[int, str]) -> Explanation:
    """Maps of some samples, by their places, among others that are refused, each for its reason by place."""
    if not reasons:
        return made
    count = len(places) + len(reasons)

    def spread(values: NDArray[np.float32]) -> NDArray[np.float32]:
        found = np.full((count, *values.shape[1:]), np.nan, np.float32)
        found[places] = values
        return found

    refusals: list[str | None] = [reasons.get(place) for place in range(count)]
    for place, refusal in zip(places.tolist(), made.refusals, strict=True):
        refusals[place] = refusal
    return Explanation(
        spread(made.maps), {name: spread(values) for name, values in made.diagnostics.items()}, tuple(refusals)
    )
