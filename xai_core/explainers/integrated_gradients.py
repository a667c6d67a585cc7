"""Integrated gradients, by Captum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import param
from xai_core.types import Card, Explanation

if TYPE_CHECKING:
    from torch import Tensor

POINTS_AT_ONCE, PIXELS_AT_ONCE = 64, 2**20
"""How many points on paths go through the model together, and how many pixels they have, at most: more is no faster on
a CPU, slower where it leaves the processor's caches, and costs memory."""

BASELINES = ("black", "mean", "blur")


@dataclass(frozen=True)
class IGParams:
    """Of integrated gradients."""

    steps: int = param(50, help="points on the path from baseline to picture", low=2, high=1000)
    baseline: str = param(
        "black",
        help="what counts as no evidence: black, the training mean, the blurred picture, or all three in turn",
        choices=(*BASELINES, "several"),
    )


@explainer(
    Card(
        key="ig",
        title="Integrated gradients",
        summary="Each pixel's share of the output's change on the way from a baseline to the picture.",
        blind_spot="Depends on the baseline: pixels that equal it get nothing; noisy from pixel to pixel.",
        paper="Sundararajan, Taly and Yan 2017, Axiomatic Attribution for Deep Networks, eq. 1-3",
        needs=frozenset({"gradients"}),
        cost=125.0,
        signed=True,
    ),
    IGParams,
)
def integrated_gradients(given: ExplainerInput, params: IGParams) -> Explanation:
    """`(x − b) · ∫ ∂f/∂x (b + a(x − b)) da`, channels summed, by Gauss-Legendre quadrature.

    With the baseline `several`: the mean of the maps from black, mean and blur.

    Diagnostics: `completeness_gap` = |Σ map − (f(x) − f(b))| / |f(x) − f(b)|, f(b) averaged over the baselines;
    0 is ideal, NaN where the output does not change.
    """
    import torch

    kinds = BASELINES if params.baseline == "several" else (params.baseline,)
    found = [_from_baseline(given, kind, params.steps) for kind in kinds]
    attributions, change = (torch.stack(parts).mean(0) for parts in zip(*found, strict=True))
    gap = (attributions.flatten(1).sum(1) - change).abs() / change.abs()
    gap[change == 0] = torch.nan
    maps = attributions.sum(1).float().cpu().numpy()
    return Explanation(maps, {"completeness_gap": gap.cpu().numpy().astype(np.float32)})


def _from_baseline(given: ExplainerInput, kind: str, steps: int) -> tuple[Tensor, Tensor]:
    """Attributions from one baseline, `(N, C, H, W)`, and f(x) − f(b), `(N,)`."""
    import torch
    from captum.attr import IntegratedGradients

    from xai_core.explainers.engine.baseline import baseline
    from xai_core.explainers.engine.batches import between_pauses
    from xai_core.explainers.engine.output import PausingOutput

    classifier, x, weights = given.classifier, given.x, given.weights
    output = PausingOutput(classifier)
    start = baseline(classifier, x, kind)
    points = min(POINTS_AT_ONCE, PIXELS_AT_ONCE // x[0, 0].numel())
    attributions = IntegratedGradients(output).attribute(
        x,
        start,
        additional_forward_args=(weights,),
        n_steps=steps,
        internal_batch_size=max(len(x), between_pauses(classifier, x, points)),
    )
    with torch.no_grad():
        return attributions, output(x, weights) - output(start, weights)
