"""Noise: the score of a map that knows nothing at all."""

from __future__ import annotations

import numpy as np

from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import NoParams
from xai_core.types import Card, Explanation


@explainer(
    Card(
        key="random",
        title="Random (control)",
        summary="Noise: what a method must beat before its score means anything.",
        blind_spot="Says nothing of model or picture.",
        signed=True,
        class_specific=False,
        control=True,
    )
)
def random_map(given: ExplainerInput, _params: NoParams) -> Explanation:
    """Standard normal pixels, `(N, H, W)`, drawn from each row's seed."""
    sides = tuple(given.x.shape[-2:])
    draws = (np.random.default_rng(int(seed) % 2**63) for seed in given.seeds)
    return Explanation(np.stack([draw.standard_normal(sides, np.float32) for draw in draws]))
