"""How much of the evidence lies on the object (Wang et al. 2020, Score-CAM, section 4.3).

Large objects score high by chance: a map of noise scores the mask's share of the area, which is kept beside the value.
"""

from __future__ import annotations

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import on_grid
from xai_core.params import NoParams
from xai_core.types import Card, Scores


@metric(
    Card(
        key="energy-pointing-game",
        title="Energy-based pointing game",
        summary="The share of the positive evidence that lies on the object.",
        blind_spot="Large objects score high by chance: compare with the mask's share of the area. A model that looks "
        "at the background is right to score low.",
        paper="Wang et al. 2020, Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks, "
        "section 4.3",
        needs=frozenset({"mask"}),
        aspect="localisation",
        agreement=0.79,
        direction=1,
        unit="share, 0…1",
        scale_free=True,
    )
)
def energy_pointing_game(given: MetricInput, _: NoParams) -> Scores:
    """Σ max(m, 0) on the mask ÷ Σ max(m, 0), the rectified map brought to the input's grid first.

    Beside it `mask_area`, the mask's share of the input's pixels.
    """
    evidence = on_grid(np.maximum(given.maps, 0), given.size)
    total = evidence.sum((1, 2))
    on_mask = np.where(given.masks, evidence, 0).sum((1, 2))
    shares = np.full(len(total), np.nan)
    np.divide(on_mask, total, out=shares, where=total > 0)
    reasons = tuple(None if each > 0 else "no positive evidence" for each in total)
    area = given.masks.mean((1, 2)).astype(np.float32)
    return Scores(shares.clip(0, 1).astype(np.float32), reasons, beside={"mask_area": area})
