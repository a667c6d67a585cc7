"""Integrated gradients, by Captum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.explainers.base import Context, explainer
from xai_core.params import param
from xai_core.types import Card, Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

POINTS_AT_ONCE = 64
"""Points on paths that go through the model together: larger gains nothing on a CPU and costs memory."""

BLUR = 0.05
"""Standard deviation of the blurred baseline, as a share of the shorter side (11 px of 224)."""


@dataclass(frozen=True)
class IGParams:
    """Of integrated gradients."""

    steps: int = param(50, help="points on the path from baseline to picture", low=2, high=1000)
    baseline: str = param(
        "black",
        help="what counts as no evidence: black, the training mean, or the blurred picture",
        choices=("black", "mean", "blur"),
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
def integrated_gradients(
    classifier: Classifier,
    x: Tensor,
    targets: Sequence[Target],
    params: IGParams,
    context: Context,  # noqa: ARG001
    seeds: NDArray[np.int64],  # noqa: ARG001
) -> Explanation:
    """`(x − b) · ∫ ∂f/∂x (b + a(x − b)) da`, channels summed, by Gauss-Legendre quadrature.

    Diagnostics: `completeness_gap` = |Σ map − (f(x) − f(b))| / |f(x) − f(b)|; 0 is ideal, NaN where the output
    does not change.
    """
    import torch
    from captum.attr import IntegratedGradients

    from xai_core.explainers.engine.output import TargetOutput, weights_of

    output, weights = TargetOutput(classifier), weights_of(classifier, targets)
    start = baseline(classifier, x, params.baseline)
    attributions = IntegratedGradients(output).attribute(
        x,
        start,
        additional_forward_args=(weights,),
        n_steps=params.steps,
        internal_batch_size=max(len(x), POINTS_AT_ONCE),
    )
    with torch.no_grad():
        change = output(x, weights) - output(start, weights)
    gap = (attributions.flatten(1).sum(1) - change).abs() / change.abs()
    gap[change == 0] = torch.nan
    maps = attributions.sum(1).float().cpu().numpy()
    return Explanation(maps, {"completeness_gap": gap.cpu().numpy().astype(np.float32)})


def baseline(classifier: Classifier, x: Tensor, kind: str) -> Tensor:
    """The start of the path, `(N, C, H, W)`: a black picture, the training mean, or the blurred picture."""
    import torch

    if kind == "black":
        mean, std = (torch.tensor(v, device=x.device) for v in (classifier.preprocess.mean, classifier.preprocess.std))
        return (-mean / std).view(1, -1, 1, 1).expand_as(x).to(x.dtype).contiguous()
    if kind == "mean":
        return torch.zeros_like(x)
    from torchvision.transforms.functional import gaussian_blur

    sigma = BLUR * min(x.shape[-2:])
    size = 2 * int(np.ceil(3 * sigma)) + 1
    return gaussian_blur(x, [size, size], [sigma, sigma])
