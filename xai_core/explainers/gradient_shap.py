"""Expected gradients: at the picture by shap's GradientExplainer, at a layer by a path of our own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput
from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.explainers.engine.pauses import pause
from xai_core.params import param
from xai_core.types import Card, Explanation

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.explainers.engine.output import OneTargetOutput


POINTS_AT_ONCE = 50
"""How many points between picture and background go through the model together, at most."""


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
    background=lambda params: params.background,
)
def gradient_shap(given: ExplainerInput, params: ShapParams) -> Explanation:
    """`E_{b, a} [(x − b) · ∂f/∂x (b + a(x − b))]`, channels summed; one call and one seed per row.

    Diagnostics: `sum` of the map, `expected_difference` = f(x) − mean f(background), which it should equal,
    `completeness_gap` = |sum − expected_difference| / |expected_difference| (NaN where that is 0), and `sum_error`, the
    standard error of `sum`: the two should differ by no more than a few of it.
    """
    import torch

    from xai_core.explainers.engine.batches import between_pauses
    from xai_core.explainers.engine.output import OneTargetOutput, logits_of, weighted

    classifier, x, weights = given.classifier, given.x, given.weights
    background, output = _background(given, params.background), OneTargetOutput(classifier)
    output.weights = weights[0]
    shap, before = _explainer(output, background, between_pauses(classifier, x, POINTS_AT_ONCE))
    sums = _Sums(shap.explainer, background.cpu().numpy())
    with torch.no_grad():
        at_first = before.flatten(1) @ weights.flatten(1).T
        expected = weighted(logits_of(classifier, x), weights) - at_first.mean(0)
    maps, errors = [], []
    for row, seed in enumerate(given.seeds):
        output.weights = weights[row]
        picture = x[row : row + 1]
        values = shap.shap_values(picture, nsamples=params.samples, rseed=int(seed) % 2**32)
        maps.append(np.asarray(values)[0, ..., 0].sum(0))
        errors.append(_standard_error(sums.taken(picture.cpu().numpy(), int(seed) % 2**32)))
    found = np.stack(maps)
    notes = _diagnostics(found.sum((1, 2)), expected.double().cpu().numpy(), errors)
    return Explanation(found.astype(np.float32), notes)


class _Sums:
    """Sums of the single estimates that shap averages and does not return.

    Its gradients are kept as it computes them, and its draws are drawn again from the seed.
    """

    def __init__(self, explainer: Any, background: NDArray[Any]) -> None:
        self._background, self._gradients = background, list[NDArray[Any]]()
        compute = explainer.gradient

        def keep(index: int, inputs: Any) -> Any:
            found = compute(index, inputs)
            self._gradients.append(found[0])
            pause()
            return found

        explainer.gradient = keep

    def taken(self, picture: NDArray[Any], seed: int) -> NDArray[Any]:
        """`(samples,)` of the last call, for a picture `(1, C, H, W)`; forgets them."""
        gradients = np.concatenate(self._gradients)
        self._gradients.clear()
        draws = np.random.RandomState(seed)  # the generator that shap seeds
        chosen = [(draws.choice(len(self._background)), draws.uniform())[0] for _ in gradients]
        return ((picture - self._background[chosen]) * gradients).sum((1, 2, 3), dtype=np.float64)


def _background(given: ExplainerInput, at_most: int) -> Tensor:
    classifier, found = given.classifier, given.background
    if found is None or len(found) == 0:
        raise BadInput("SHAP needs background pictures", remedy="Give inputs of the training split as background.")
    if tuple(found.shape[1:]) != classifier.input_shape:
        wanted = f"Give pictures of shape {classifier.input_shape}."
        raise BadInput("the background has the wrong shape for this model", value=tuple(found.shape), remedy=wanted)
    if not found.isfinite().all():
        raise BadInput("the background holds NaN or infinity", remedy="Leave such pictures out.")
    return found[:at_most].detach().float().to(classifier.device)


def _explainer(output: OneTargetOutput, background: Tensor, at_once: int) -> tuple[Any, Tensor]:
    """shap's explainer, and the output for the background, `(B, *output)`, which it runs when made."""
    made = _explainer_type()(output, background, batch_size=at_once)
    return made, output.logits


def _explainer_type() -> Any:
    # Importing shap 0.51 with matplotlib 3.11 warns of a colour map function that is to go.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        from shap import GradientExplainer
    return GradientExplainer


def _standard_error(totals: NDArray[Any]) -> float:
    return float(totals.std(ddof=1) / np.sqrt(len(totals)))


def _diagnostics(
    total: NDArray[Any], expected: NDArray[Any], errors: Sequence[float]
) -> dict[str, NDArray[np.float32]]:
    gap = np.full(len(total), np.nan)
    np.divide(np.abs(total - expected), np.abs(expected), out=gap, where=expected != 0)
    found = {"sum": total, "expected_difference": expected, "completeness_gap": gap, "sum_error": np.array(errors)}
    return {name: values.astype(np.float32) for name, values in found.items()}


AROUND = "for this picture a path of the model goes around the layer: the map would lack what it carries"


@dataclass(frozen=True)
class ShapLayerParams:
    """Of expected gradients at a layer."""

    layer: str = param("", help="name of the layer; empty for the one the architecture declares")
    samples: int = param(50, help="random points between picture and background", low=2, high=2000)
    background: int = param(24, help="training pictures to compare with, at most", low=1, high=500)


@explainer(
    Card(
        key="shap_layer",
        title="SHAP at a layer",
        summary="Each place's share, at one layer, of what sets the output apart from its mean over training pictures.",
        blind_spot="Coarse as the layer's grid, and silent on what the layers below made of the pixels; a random "
        "estimate. Refused where a path goes around the layer.",
        paper="Erion et al. 2021, Improving performance of deep learning models with axiomatic attribution priors "
        "and expected gradients, in the space of a layer's output",
        needs=frozenset({"cam_layer", "gradients", "background"}),
        cost=120.0,
        signed=True,
    ),
    ShapLayerParams,
    background=lambda params: params.background,
)
def shap_layer(given: ExplainerInput, params: ShapLayerParams) -> Explanation:
    """`E_{b, a} [(A(x) − A(b)) · ∂f/∂A (A(b) + a(A(x) − A(b)))]`, channels summed, on the layer's grid.

    Diagnostics: as of `shap`; `sum` is over the whole layer. Where a part of it has no place on the grid (a class
    token), that part's share is `beside_map`.

    Raises:
        NotApplicable: the layer's output alone does not decide the logits, or is no grid. Where that shows for some
            pictures only, their rows are refused.
    """
    from xai_core.explainers.engine.layer_path import expected_gradients
    from xai_core.explainers.engine.output import unreached
    from xai_core.models.layers import grid_at

    classifier, background = given.classifier, _background(given, params.background)
    found = expected_gradients(given, background, params.layer, params.samples)
    maps = grid_at(classifier, found.attributions, params.layer).sum(1)
    total = found.attributions.flatten(1).sum(1)
    beside = ((maps == 0).flatten(1).all(1) & (total != 0)).tolist()
    if all(beside):
        raise unreached(classifier, params.layer, "no gradient of the target reaches this layer's grid")
    errors = [_standard_error(row) for row in found.estimates.double().cpu().numpy()]
    notes = _diagnostics(total.double().cpu().numpy(), found.expected.double().cpu().numpy(), errors)
    if maps[0].numel() * found.attributions.shape[1] != found.attributions[0].numel():
        notes["beside_map"] = (total - maps.flatten(1).sum(1)).cpu().numpy()
    refusals = tuple(
        AROUND if leaks else "no gradient of the target reaches the layer's grid" if row else None
        for leaks, row in zip(found.around.tolist(), beside, strict=True)
    )
    return Explanation(maps.cpu().numpy(), notes, refusals)
