"""How well a map, cut at a threshold, covers the object (intersection over union; Zhou et al. 2016 cut theirs so)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import no_evidence
from xai_core.metrics.hiding import unless
from xai_core.params import param
from xai_core.types import Card, Scores

THRESHOLDS = np.linspace(0, 1, 21)


@dataclass(frozen=True)
class IouParams:
    """Of intersection over union."""

    threshold: float = param(0.5, help="where the map is cut, as a share of its maximum", low=0.01, high=1.0)


@metric(
    Card(
        key="iou",
        title="Intersection over union",
        summary="How well the map, cut at a share of its maximum, covers the object and nothing else.",
        blind_spot="The value is the threshold's as much as the map's: read the curve. A map that marks only what "
        "tells the classes apart is right to cover little.",
        paper="Zhou, Khosla, Lapedriza, Oliva and Torralba 2016, Learning Deep Features for Discriminative "
        "Localization, section 3.2 (the cut); Everingham et al. 2010 (the measure)",
        needs=frozenset({"mask"}),
        aspect="localisation",
        agreement=0.04,
        direction=1,
        unit="share, 0…1",
        scale_free=True,
        curve="threshold, as a share of the map's maximum",
    ),
    IouParams,
)
def iou(given: MetricInput, params: IouParams) -> Scores:
    """|cut ∩ mask| ÷ |cut ∪ mask|, cut = pixels of the rectified map on the input's grid ≥ threshold · its maximum.

    The curve is at thresholds 0, 0.05, … 1; at 0 everything is cut out, which scores `mask_area`. Beside it that area,
    and `best`, the largest value of the curve.
    """
    evidence = given.evidence
    reasons = no_evidence(evidence)
    curves = np.stack([_at(evidence, given, float(np.float32(each))) for each in THRESHOLDS], axis=1)
    values = _at(evidence, given, float(np.float32(params.threshold)))
    area = given.masks.mean((1, 2)).astype(np.float32)
    best = unless(curves.max(axis=1), reasons)
    return Scores(unless(values, reasons), reasons, unless(curves, reasons), {"mask_area": area, "best": best})


def _at(evidence: np.ndarray, given: MetricInput, threshold: float) -> np.ndarray:
    cut = evidence >= threshold
    return np.asarray((cut & given.masks).sum((1, 2)) / (cut | given.masks).sum((1, 2)))
