"""Does the map's highest point lie on the object? (Zhang et al. 2016, Excitation Backprop, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import no_evidence
from xai_core.metrics.hiding import unless
from xai_core.params import param
from xai_core.types import Card, Scores


@dataclass(frozen=True)
class PointingParams:
    """Of the pointing game."""

    tolerance: float = param(
        0.0, help="how far beside the object still hits, as a share of the picture's longer side", low=0.0, high=0.5
    )


@metric(
    Card(
        key="pointing-game",
        title="Pointing game",
        summary="Does the map's highest point lie on the object?",
        blind_spot="All but one point of the map. Large objects are hit by chance: compare with the share of the "
        "picture that counts as a hit.",
        paper="Zhang, Lin, Brandt, Shen and Sclaroff 2016, Top-down Neural Attention by Excitation Backprop, "
        "section 4.1",
        needs=frozenset({"mask"}),
        aspect="localisation",
        agreement=0.18,
        direction=1,
        unit="1 hit, 0 miss",
        scale_free=True,
    ),
    PointingParams,
)
def pointing_game(given: MetricInput, params: PointingParams) -> Scores:
    """1 where the highest pixel on the input's grid is no farther than the tolerance from the mask, else 0.

    Among several highest pixels, the share of them that hits. (The paper's tolerance is 15 pixels of pictures of any
    size; of 224 that is 0.067.) Beside it `hit_area`, the share of all pixels that would be hits.
    """
    evidence = given.evidence
    hits = np.stack([_near(mask, params.tolerance * max(given.size)) for mask in given.masks])
    reasons = tuple(
        reason or ("the object and what is near it are everywhere" if near.all() else None)
        for reason, near in zip(no_evidence(evidence), hits, strict=True)
    )
    highest = evidence == evidence.max(axis=(1, 2), keepdims=True)
    values = (highest & hits).sum((1, 2)) / highest.sum((1, 2))
    return Scores(unless(values, reasons), reasons, beside={"hit_area": hits.mean((1, 2)).astype(np.float32)})


def _near(mask: NDArray[np.bool_], pixels: float) -> NDArray[np.bool_]:
    from scipy.ndimage import distance_transform_edt

    if not pixels:
        return mask
    near: NDArray[np.bool_] = distance_transform_edt(~mask) <= pixels
    return near
