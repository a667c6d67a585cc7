"""The gradient at the picture, and the gradient times the picture, by Captum."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import NoParams, param
from xai_core.types import Card, Explanation


@dataclass(frozen=True)
class SaliencyParams:
    """Of saliency."""

    channels: str = param(
        "sum",
        help="one number per pixel: the signed sum over channels, or the largest absolute value, as in the paper",
        choices=("sum", "max"),
    )


def _largest_has_no_sign(card: Card, params: SaliencyParams) -> Card:
    return replace(card, signed=False, needs=card.needs | {"whole"}) if params.channels == "max" else card


@explainer(
    Card(
        key="saliency",
        title="Saliency (gradient)",
        summary="How fast the output changes when a pixel does.",
        blind_spot="Sensitivity, not contribution: a pixel the decision rests on may have no gradient; noisy.",
        paper="Simonyan, Vedaldi and Zisserman 2014, Deep Inside Convolutional Networks, section 3.1",
        needs=frozenset({"gradients"}),
        cost=2.5,
        signed=True,
    ),
    SaliencyParams,
    special=_largest_has_no_sign,
)
def saliency(given: ExplainerInput, params: SaliencyParams) -> Explanation:
    """`Σ_c ∂f/∂x_c` signed, or `max_c |∂f/∂x_c|` (the paper's choice), per unit of the normalised input."""
    from captum.attr import Saliency

    from xai_core.explainers.engine.output import TargetOutput

    gradients = Saliency(TargetOutput(given.classifier)).attribute(
        given.x.clone().requires_grad_(), abs=False, additional_forward_args=(given.weights,)
    )
    maps = gradients.sum(1) if params.channels == "sum" else gradients.abs().amax(1)
    return Explanation(maps.detach().cpu().numpy())


@explainer(
    Card(
        key="input_x_gradient",
        title="Input × gradient",
        summary="The gradient times the pixel: its share of the output, were the model linear.",
        blind_spot="Follows the picture: its absolute values resemble edges also for a random model; the training "
        "mean counts as nothing.",
        paper="Shrikumar, Greenside and Kundaje 2017, Learning Important Features Through Propagating Activation "
        "Differences, section 2; Baehrens et al. 2010",
        needs=frozenset({"gradients"}),
        cost=2.5,
        signed=True,
    )
)
def input_x_gradient(given: ExplainerInput, _params: NoParams) -> Explanation:
    """`Σ_c x_c · ∂f/∂x_c`, with x normalised: the baseline is the training mean."""
    from captum.attr import InputXGradient

    from xai_core.explainers.engine.output import TargetOutput

    found = InputXGradient(TargetOutput(given.classifier)).attribute(
        given.x.clone().requires_grad_(), additional_forward_args=(given.weights,)
    )
    return Explanation(found.detach().sum(1).cpu().numpy())
