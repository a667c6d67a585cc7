"""How much of a map's evidence lies on the object, where its picture has a mask: what `xai score` gives, by the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.diagnostics import Note
from xai_core.errors import XaiError
from xai_core.metrics import METRICS, MetricInput, score
from xai_core.models.preprocess import Preprocess
from xai_core.store.maps import STORED, MapStore
from xai_core.store.run import Run
from xai_core.store.targets import mask_of
from xai_core.task import SEGMENTATION
from xai_core.triage.intervals import bootstrap_mean
from xai_core.types import Array, Card, Scores, Target
from xai_core.words import percent

METRIC = "energy-pointing-game"
TITLE = (
    "The share of the positive evidence that lies on the object's mask, beside the mask's share of what the model "
    "sees: a map that knows nothing of the picture scores about the second. A model that looks at the background is "
    "right to score low."
)


@dataclass(frozen=True)
class OnObject:
    """Of one map: `share` of its positive evidence on the mask, `area` of the mask, both 0…1.

    Both are None where there is a `reason`.
    """

    share: float | None = None
    area: float | None = None
    reason: str | None = None

    @property
    def note(self) -> Note:
        """The line under the map."""
        if self.share is None or self.area is None:
            return Note("on the object: not scored", f"{self.reason or ''}".capitalize() + f". {TITLE}")
        return Note(f"on the object {percent(self.share)} · its area {percent(self.area)}", TITLE)

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"share": self.share, "mask_area": self.area, "reason": self.reason}


def seen_masks(run: Run, row: int, keys: Sequence[str]) -> list[NDArray[np.bool_] | None]:
    """What maps of the sample ought to be on, target by target, on the grid of the model's input.

    None where there is no mask, or it cannot be read. Of a classifier it is the same for each.
    """
    by_class = run.study.info.task == SEGMENTATION
    read = cache(lambda number: _seen(run, row, Target(number)))
    return [read(Target.parse(key).positive if by_class else 0) for key in keys]


def _seen(run: Run, row: int, target: Target) -> NDArray[np.bool_] | None:
    if run.info.preprocess is None or not run.study.samples["has_mask"].iat[row]:
        return None
    try:
        mask = mask_of(run, row, target)
        return None if mask is None else Preprocess.from_dict(run.info.preprocess).whole.mask(mask)
    except XaiError:
        return None


def on_object(
    card: Card, maps: MapStore | None, row: int, keys: Sequence[str], masks: Sequence[NDArray[np.bool_] | None]
) -> list[OnObject | None]:
    """Of one method's stored maps of a sample, for each target with its mask; None where there is no map or no mask."""
    found: list[OnObject | None] = [None] * len(keys)
    if maps is None:
        return found
    stored = maps.get([row] * len(keys), list(keys))
    seen = {place: mask for place, mask in enumerate(masks) if mask is not None and stored.state[place] == STORED}
    if not seen:
        return found
    there = np.array(list(seen))
    made = _scores(card, stored.maps[there], [keys[place] for place in seen], np.stack(list(seen.values())))
    areas = made.beside.get("mask_area", made.values)
    for place, share, area, reason in zip(there.tolist(), made.values, areas, made.reasons, strict=True):
        found[place] = OnObject(reason=reason) if reason else OnObject(float(share), float(area))
    return found


@dataclass(frozen=True)
class OnObjects:
    """Of the maps of several samples with masks: the mean of their shares on the mask, with its 95 % interval.

    Attributes:
        n: maps that are scored; `mean`, `low`, `high` and `area`, the masks' mean share of what the model sees, are of
            these, 0…1; NaN where there are none, the interval also where there are too few.
        masked: samples that have a mask, scored or not.
    """

    n: int
    mean: float
    low: float
    high: float
    area: float
    masked: int

    @property
    def words(self) -> str:
        """`34.1 % (28.0–40.2)`."""
        return percent(self.mean) + (f" ({100 * self.low:.1f}–{100 * self.high:.1f})" if np.isfinite(self.low) else "")

    @property
    def sentence(self) -> str:
        """For a terminal."""
        return f"on the object {self.words} of it, n = {self.n}, where masks are {percent(self.area)} of the area"

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self)}


def on_objects(run: Run, card: Card, maps: MapStore | None, rows: NDArray[np.int64], keys: Sequence[str]) -> OnObjects:
    """Of one method's stored maps of several samples, each with its own target. The interval is by the study's seed."""
    has = run.study.samples["has_mask"].to_numpy()[rows]
    shares, areas = shares_on_objects(
        run, card, maps, rows[has], [key for key, one in zip(keys, has, strict=True) if one]
    )
    good = np.isfinite(shares)
    estimate = bootstrap_mean(shares[good], seed=run.study.info.seed)
    area = float(areas[good].mean()) if good.any() else float("nan")
    mean, low, high = float(estimate.value), float(estimate.low), float(estimate.high)
    return OnObjects(estimate.n, mean, low, high, area, int(has.sum()))


def shares_on_objects(
    run: Run, card: Card, maps: MapStore | None, rows: NDArray[np.int64], keys: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`(n,)` shares on the mask and areas of the masks; NaN where there is no map, no readable mask or no score."""
    found = np.full((2, len(rows)), np.nan)
    stored = maps.get(rows, list(keys)) if maps is not None and len(rows) else None
    for place in [] if stored is None else np.flatnonzero(stored.state == STORED).tolist():
        (mask,) = seen_masks(run, int(rows[place]), [keys[place]])
        if mask is not None and stored is not None:
            made = _scores(card, stored.maps[place : place + 1], [keys[place]], mask[None])
            areas = made.beside.get("mask_area", made.values)
            found[:, place] = (np.nan, np.nan) if made.reasons[0] else (made.values[0], areas[0])
    return found[0], found[1]


def _scores(card: Card, maps: Array, keys: Sequence[str], masks: NDArray[np.bool_]) -> Scores:
    count = len(maps)
    targets = [Target.parse(key) for key in keys]
    given = MetricInput(maps, card, targets, np.zeros(count, np.int64), masks, np.ones(count, dtype=bool))
    return score(METRICS[METRIC], given)
