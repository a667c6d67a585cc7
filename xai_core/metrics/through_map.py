"""What metrics share that look at a picture through its map: the class's probability then, beside that of the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.metrics.base import MetricInput
from xai_core.metrics.grids import no_evidence
from xai_core.metrics.hiding import Float, fill_param, seen_through, unless, whole
from xai_core.types import Array


@dataclass(frozen=True)
class ThroughParams:
    """What hides."""

    fill: str = fill_param("black")


@dataclass(frozen=True, eq=False)
class Through:
    """`whole` and `seen`, `(N,)` probabilities of the picture and of what the map shows of it; why some have none."""

    whole: Float
    seen: Float
    reasons: tuple[str | None, ...]

    def beside(self, reasons: tuple[str | None, ...]) -> dict[str, Array]:
        """Both, for who reads the score; what is seen has no value where there is a reason."""
        return {"probability": self.whole.astype(np.float32), "seen": unless(self.seen, reasons)}


def through_map(given: MetricInput, params: ThroughParams) -> Through:
    """The probability Y of the picture, and O of fill + m·(picture − fill).

    m is the rectified map on the input's grid, divided by its maximum. Black as fill multiplies the picture's pixels,
    as Chattopadhay et al. 2018 do.
    """
    seen = given.memo.get(("seen", params.fill), lambda: seen_through(given.model, given.evidence, params.fill))
    return Through(whole(given.model, "probability"), seen, no_evidence(given.evidence))
