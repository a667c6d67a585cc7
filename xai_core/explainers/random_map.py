"""Noise: the score of a map that knows nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.explainers.base import Context, explainer
from xai_core.params import NoParams
from xai_core.types import Card, Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier


@explainer(
    Card(
        key="random",
        title="Random (control)",
        summary="Noise: what a method must beat before its score means anything.",
        blind_spot="Says nothing of model or picture.",
        signed=True,
        class_specific=False,
    )
)
def random_map(
    classifier: Classifier,  # noqa: ARG001
    x: Tensor,
    targets: Sequence[Target],  # noqa: ARG001
    params: NoParams,  # noqa: ARG001
    context: Context,  # noqa: ARG001
    seeds: NDArray[np.int64],
) -> Explanation:
    """Standard normal pixels, `(N, H, W)`, drawn from each row's seed."""
    rows = [np.random.default_rng(int(seed) % 2**63).standard_normal(tuple(x.shape[-2:]), np.float32) for seed in seeds]
    return Explanation(np.stack(rows))
