"""Expected gradients, by shap's GradientExplainer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput
from xai_core.explainers.base import Context, explainer
from xai_core.params import param
from xai_core.types import Card, Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier


@dataclass(frozen=True)
class ShapParams:
    """Of expected gradients."""

    samples: int = param(50, help="random points between picture and background", low=2, high=2000)
    background: int = param(24, help="training pictures to compare with, at most", low=1, high=500)


@explainer(
    Card(
        key="shap",
        title="SHAP (expected gradients)",
        summary="Each pixel's share of what sets the output apart from its mean over training pictures.",
        blind_spot="A random estimate: few samples are noisy, and another background gives another map.",
        paper="Erion et al. 2021, Improving performance of deep learning models with axiomatic attribution priors "
        "and expected gradients; Lundberg and Lee 2017",
        needs=frozenset({"gradients", "background"}),
        cost=130.0,
        signed=True,
    ),
    ShapParams,
)
def gradient_shap(
    classifier: Classifier,
    x: Tensor,
    targets: Sequence[Target],
    params: ShapParams,
    context: Context,
    seeds: NDArray[np.int64],
) -> Explanation:
    """`E_{b, a} [(x − b) · ∂f/∂x (b + a(x − b))]`, channels summed; one call and one seed per row.

    Diagnostics: `sum` of the map, `expected_difference` = f(x) − mean f(background), which it should equal, and
    `completeness_gap` = |sum − expected_difference| / |expected_difference| (NaN where that is 0).
    """
    from xai_core.explainers.engine.output import OneTargetOutput, weights_of

    background = _background(classifier, context, params.background)
    output, weights = OneTargetOutput(classifier), weights_of(classifier, targets)
    output.weights = weights[0]
    shap = _explainer_type()(output, background)
    maps, expected = [], []
    for row, seed in enumerate(seeds):
        output.weights = weights[row]
        picture = x[row : row + 1]
        values = shap.shap_values(picture, nsamples=params.samples, rseed=int(seed) % 2**32)
        maps.append(np.asarray(values)[0, ..., 0].sum(0))
        expected.append(_expected_difference(output, picture, background))
    return Explanation(np.stack(maps).astype(np.float32), _diagnostics(np.stack(maps), np.array(expected)))


def _background(classifier: Classifier, context: Context, at_most: int) -> Tensor:
    found = context.background
    if found is None or len(found) == 0:
        raise BadInput("SHAP needs background pictures", remedy="Give inputs of the training split as background.")
    if tuple(found.shape[1:]) != classifier.input_shape:
        wanted = f"Give pictures of shape {classifier.input_shape}."
        raise BadInput("the background has the wrong shape for this model", value=tuple(found.shape), remedy=wanted)
    if not found.isfinite().all():
        raise BadInput("the background holds NaN or infinity", remedy="Leave such pictures out.")
    return found[:at_most].detach().float().to(classifier.device)


def _explainer_type() -> Any:
    # Importing shap 0.51 with matplotlib 3.11 warns of a colour map function that is to go.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        from shap import GradientExplainer
    return GradientExplainer


def _expected_difference(output: Any, picture: Tensor, background: Tensor) -> float:
    import torch

    with torch.no_grad():
        return float(output(picture)[0, 0] - output(background).mean())


def _diagnostics(maps: NDArray[Any], expected: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    total = maps.sum((1, 2))
    gap = np.full(len(maps), np.nan)
    np.divide(np.abs(total - expected), np.abs(expected), out=gap, where=expected != 0)
    found = {"sum": total, "expected_difference": expected, "completeness_gap": gap}
    return {name: values.astype(np.float32) for name, values in found.items()}
