"""Methods that give one and the same map, so that their agreement is no evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from xai_core.explainers.guard import untouched
from xai_core.types import Array

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

CONSTANT_GRADIENT = frozenset({"gradcam", "hirescam", "xgradcam"})
"""All are Σ_k g_k A_k where the gradient of channel k is g_k at every place."""

EVEN = 1e-5
"""A gradient is constant if it varies by less than this share of the sample's largest: rounding."""

SAME = 2e-3
"""Maps are the same if, scaled to a peak of 1, they differ by less: they are stored with 11 bits."""

PROBES = 8
"""Random pictures, each with a random target."""


def same_by_construction(classifier: Classifier, layer: str = "") -> frozenset[str]:
    """Methods whose maps at this layer are equal for every picture and target; empty where none are.

    Found from the gradients of random targets on random pictures. They are constant over the places where the layer
    is followed by global pooling and linear layers: then Grad-CAM's mean, XGrad-CAM's weighted mean and HiResCAM's
    product place by place come to the same (Draelos and Carin 2020; Fu et al. 2020).

    Raises:
        NotFound, NotApplicable: a layer that no class activation map can be made at.
    """
    import torch

    from xai_core.explainers.engine.layer_pass import rounds

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(PROBES, *classifier.input_shape, generator=generator).to(classifier.device)
    weights = torch.randn(PROBES, len(classifier.class_names), generator=generator).to(classifier.device)
    with untouched(classifier):
        (found,) = rounds(classifier, x, np.arange(PROBES), weights, layer)
    gradients = found.gradients.flatten(2)
    largest = gradients.abs().amax((1, 2))
    spread = (gradients.amax(2) - gradients.amin(2)).amax(1)
    return CONSTANT_GRADIENT if bool(((largest > 0) & (spread <= EVEN * largest)).all()) else frozenset()


def same_maps(maps: Mapping[str, Array]) -> list[frozenset[str]]:
    """Groups of methods, two or more in each, that gave the same maps up to a positive factor per sample.

    Args:
        maps: of each method `(N, h, w)`, for the same samples. Refused ones (NaN) are passed over; maps of different
            sizes and maps that are zero everywhere are not the same.
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
    shown = np.isfinite(a).all((1, 2)) & np.isfinite(b).all((1, 2))
    peaks = [np.abs(maps[shown]).max((1, 2), keepdims=True, initial=0) for maps in (a, b)]
    if not shown.any() or any((peak == 0).any() for peak in peaks):
        return False
    return bool((np.abs(a[shown] / peaks[0] - b[shown] / peaks[1]) <= SAME).all())
