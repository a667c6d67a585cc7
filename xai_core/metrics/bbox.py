"""Do the strongest pixels lie in the object's box? (Schulz et al. 2020, Restricting the Flow, section 4.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import no_evidence
from xai_core.metrics.hiding import unless
from xai_core.params import NoParams
from xai_core.types import Array, Card, Scores


@metric(
    Card(
        key="bbox",
        title="Bounding box",
        summary="Of as many of the strongest pixels as the object's box has, the share that lies in the box.",
        blind_spot="Large boxes score high by chance: compare with the box's share of the area. A model that looks at "
        "the background is right to score low.",
        paper="Schulz, Sixt, Tombari and Landgraf 2020, Restricting the Flow: Information Bottlenecks for Attribution, "
        "section 4.3",
        needs=frozenset({"mask"}),
        aspect="localisation",
        agreement=0.14,
        direction=1,
        unit="share, 0…1",
        scale_free=True,
    )
)
def bbox(given: MetricInput, _: NoParams) -> Scores:
    """Of the k strongest pixels of the rectified map on the input's grid, the share in the mask's box of k pixels.

    Where pixels are alike at the limit, as all zeros of a rectified map are, what a fair draw among them gives.
    Beside it `box_area`, the box's share of the input's pixels: what noise scores.
    """
    evidence = given.evidence
    boxes = [_box(mask) for mask in given.masks]
    reasons = tuple(
        reason or ("the object's box is everywhere" if box.all() else None)
        for reason, box in zip(no_evidence(evidence), boxes, strict=True)
    )
    shares = np.array([_share(*pair) for pair in zip(evidence, boxes, strict=True)])
    areas = np.array([box.mean() for box in boxes], np.float32)
    return Scores(unless(shares, reasons), reasons, beside={"box_area": areas})


def _box(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    box = np.zeros_like(mask)
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def _share(evidence: Array, box: NDArray[np.bool_]) -> float:
    count = int(box.sum())
    limit = np.partition(evidence.ravel(), -count)[-count]
    above, alike = evidence > limit, evidence == limit
    drawn = (count - above.sum()) * alike[box].sum() / alike.sum()
    return float((above[box].sum() + drawn) / count)
