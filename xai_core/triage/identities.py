"""Methods that gave one and the same map, so that their agreement is no evidence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xai_core.types import Array

SAME = 2e-3
"""Maps are the same if, scaled to a peak of 1, they differ by less: they are stored with 11 bits."""


def same_maps(maps: Mapping[str, Array]) -> list[frozenset[str]]:
    """Groups of methods, two or more in each, that gave the same maps up to a positive factor per sample.

    Grad-CAM, HiResCAM and XGrad-CAM do so wherever the layer is followed by global pooling and one linear layer: the
    gradient is then constant over the places of a channel (Draelos and Carin 2020; Fu et al. 2020).

    Args:
        maps: of each method `(N, h, w)`, for the same samples. Missing ones (NaN) are passed over, and samples of which
            both maps are zero everywhere; maps of different sizes are not the same.
    """
    groups: list[list[str]] = []
    for key, found in maps.items():
        home = next((group for group in groups if _same(maps[group[0]], found)), None)
        if home is None:
            groups.append([key])
        else:
            home.append(key)
    return [frozenset(group) for group in groups if len(group) > 1]


def _same(a: Array, b: Array) -> bool:
    if a.shape != b.shape:
        return False
    shown = np.isfinite(a).all((1, 2)) & np.isfinite(b).all((1, 2)) & (a.any((1, 2)) | b.any((1, 2)))
    peaks = [np.abs(maps[shown]).max((1, 2), keepdims=True, initial=0) for maps in (a, b)]
    if not shown.any() or any((peak == 0).any() for peak in peaks):
        return False
    return bool((np.abs(a[shown] / peaks[0] - b[shown] / peaks[1]) <= SAME).all())
