"""A bump in the middle: what a map scores that knows where objects usually are."""

from __future__ import annotations

import numpy as np

from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import NoParams
from xai_core.types import Card, Explanation


@explainer(
    Card(
        key="centre",
        title="Centre (control)",
        summary="A bump in the middle of the picture, where the object usually is: the same map for every picture.",
        blind_spot="Says nothing of model or picture.",
        paper="Judd, Durand and Torralba 2012, A Benchmark of Computational Models of Saliency to Predict Human "
        "Fixations, section 4 (the centre as a baseline)",
        class_specific=False,
        control=True,
    )
)
def centre(given: ExplainerInput, _params: NoParams) -> Explanation:
    """exp(−(u² + v²)/2), `(N, H, W)`; u and v are the distances from the middle in quarters of the picture's sides."""
    down, across = (((np.arange(side) + 0.5) / side - 0.5) * 4 for side in given.x.shape[-2:])
    bump = np.exp(-(down[:, None] ** 2 + across**2) / 2).astype(np.float32)
    return Explanation(np.repeat(bump[None], len(given.x), axis=0))
