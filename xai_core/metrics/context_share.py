"""How much of the evidence lies away from what the map is about, by distance.

With a distance of 0, and where the region is the object, it is what the energy-based pointing game leaves. A coarse map
reaches over every edge by a place of its layer, so what lies just beside the region is no sign that the model looks at
its surroundings; what lies farther away is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.distances import beyond, distances
from xai_core.metrics.grids import on_grid
from xai_core.metrics.hiding import unless
from xai_core.params import param
from xai_core.types import Card, Scores

STEPS = np.linspace(0, 1, 21)
"""Distances at which the curve is taken, as shares of the shorter side."""


@dataclass(frozen=True)
class ContextParams:
    """Of the context share."""

    distance: float = param(
        0.05,
        help="evidence that is no farther from the region counts as the region's; 0 for the region alone",
        low=0.0,
        high=1.0,
        unit="share of the picture's shorter side",
    )


@metric(
    Card(
        key="context-share",
        title="Context share",
        summary="The share of the positive evidence that lies away from the region that is explained; of a "
        "classifier, away from the object.",
        blind_spot="Says where the model looks, not whether it should: a road may rightly speak for a car. Nearly all "
        "of a picture lies away from a thin region: compare with the share of the area, and with controls. A map "
        "that is coarser than the distance says nothing.",
        needs=frozenset({"region"}),
        aspect="localisation",
        direction=0,
        unit="share, 0…1",
        scale_free=True,
        curve="distance from the region, as a share of the shorter side",
    ),
    ContextParams,
)
def context_share(given: MetricInput, params: ContextParams) -> Scores:
    """Σ max(m, 0) farther than `distance` from the region ÷ Σ max(m, 0), the rectified map on the input's grid.

    The curve is the same at distances from 0 to 1. Beside it `outside`, its value at 0, and `area`, the share of the
    input's pixels that are farther: what a map scores that is the same everywhere.
    """
    evidence = on_grid(np.maximum(given.maps, 0), given.size)
    steps, count = np.append(STEPS, params.distance), len(STEPS)
    order = np.argsort(steps, kind="stable")
    shares, areas = np.empty((2, len(evidence), len(steps)))
    for row, (one, there) in enumerate(zip(evidence, given.masks, strict=True)):
        distance = distances(there)
        shares[row, order] = beyond(one, distance, steps[order])
        areas[row, order] = beyond(np.ones(there.shape), distance, steps[order])
    reasons = tuple(
        "no positive evidence" if np.isnan(share) else None if area else "the region and what is near it are everywhere"
        for share, area in zip(shares[:, count], areas[:, count], strict=True)
    )
    beside = {"outside": unless(shares[:, 0], reasons), "area": areas[:, count].astype(np.float32)}
    return Scores(unless(shares[:, count], reasons), reasons, unless(shares[:, :count], reasons), beside)
