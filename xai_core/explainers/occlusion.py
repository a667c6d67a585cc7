"""Occlusion: what the output loses when a patch is covered, by Captum."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import param
from xai_core.types import Card, Explanation

PICTURES_AT_ONCE = 64
"""Covered pictures that go through the model together."""


@dataclass(frozen=True)
class OcclusionParams:
    """Of occlusion."""

    window: float = param(0.2, help="side of the patch, as a share of the picture's", low=0.01, high=1.0)
    stride: float = param(0.1, help="step of the patch, as a share of the picture's side", low=0.01, high=1.0)
    baseline: str = param(
        "mean",
        help="what covers the patch: black, the training mean, or the blurred picture",
        choices=("black", "mean", "blur"),
    )


@explainer(
    Card(
        key="occlusion",
        title="Occlusion",
        summary="What the output loses when a patch of the picture is covered.",
        blind_spot="One patch at a time: evidence that is there twice looks useless; a covered patch is a picture "
        "the model has never seen.",
        paper="Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4.2",
        cost=100.0,
        signed=True,
    ),
    OcclusionParams,
)
def occlusion(given: ExplainerInput, params: OcclusionParams) -> Explanation:
    """Mean over the patches that cover a pixel of `f(x) − f(x with the patch covered)`; all channels at once.

    Patches start at multiples of the stride; those that reach over the border are cut off there. With the defaults
    there are about 100 of them: 10 × 10 at 224 pixels, 9 × 9 at 28.
    """
    from captum.attr import Occlusion

    from xai_core.explainers.engine.baseline import baseline
    from xai_core.explainers.engine.output import PausingOutput

    x = given.x
    channels, sides = x.shape[1], x.shape[2:]
    window = [max(1, round(params.window * side)) for side in sides]
    # A wider step than the patch would leave pixels that are never covered.
    stride = [min(max(1, round(params.stride * side)), across) for side, across in zip(sides, window, strict=True)]
    found = Occlusion(PausingOutput(given.classifier)).attribute(
        x,
        sliding_window_shapes=(channels, *window),
        strides=(channels, *stride),
        baselines=baseline(given.classifier, x, params.baseline),
        additional_forward_args=(given.weights,),
        perturbations_per_eval=max(1, PICTURES_AT_ONCE // len(x)),
    )
    # A patch covers all channels, so all hold the same number.
    return Explanation(found[:, 0].float().cpu().numpy())
