"""How much of a map's evidence lies on the object, where its picture has a mask: what `xai score` gives, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.diagnostics import Note
from xai_core.errors import XaiError
from xai_core.metrics import METRICS, MetricInput, score
from xai_core.models.preprocess import Preprocess
from xai_core.store.maps import STORED, MapStore
from xai_core.store.run import Run
from xai_core.types import Card, Target
from xai_core.words import percent

METRIC = "energy-pointing-game"
_TITLE = (
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
            return Note("on the object: not scored", f"{self.reason or ''}".capitalize() + f". {_TITLE}")
        return Note(f"on the object {percent(self.share)} · its area {percent(self.area)}", _TITLE)

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"share": self.share, "mask_area": self.area, "reason": self.reason}


def seen_mask(run: Run, row: int) -> NDArray[np.bool_] | None:
    """The sample's mask on the grid of the model's input; None where there is none, or it cannot be read."""
    if run.info.preprocess is None or not run.study.samples["has_mask"].iat[row]:
        return None
    try:
        mask = run.study.mask(row)
        return None if mask is None else Preprocess.from_dict(run.info.preprocess).mask(mask)
    except XaiError:
        return None


def on_object(
    card: Card, maps: MapStore | None, row: int, keys: Sequence[str], mask: NDArray[np.bool_] | None
) -> list[OnObject | None]:
    """Of one method's stored maps of a sample, for each target; None where there is no map or no mask."""
    if maps is None or mask is None:
        return [None] * len(keys)
    stored = maps.get([row] * len(keys), list(keys))
    there = np.flatnonzero(stored.state == STORED)
    found: list[OnObject | None] = [None] * len(keys)
    if not len(there):
        return found
    count = len(there)
    given = MetricInput(
        stored.maps[there],
        card,
        [Target.parse(keys[place]) for place in there.tolist()],
        np.zeros(count, np.int64),
        np.broadcast_to(mask, (count, *mask.shape)),
        np.ones(count, dtype=bool),
    )
    made = score(METRICS[METRIC], given)
    areas = made.beside.get("mask_area", made.values)
    for place, share, area, reason in zip(there.tolist(), made.values, areas, made.reasons, strict=True):
        found[place] = OnObject(reason=reason) if reason else OnObject(float(share), float(area))
    return found
