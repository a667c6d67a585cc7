"""DeepLIFT with the rescale rule, by Captum on a rewritten copy of the model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import param
from xai_core.types import Card, Explanation

if TYPE_CHECKING:
    from torch import Tensor, nn

TOLERANCE = 0.01
"""How large the completeness gap may be before a map is refused. Where all rules hold it is below 1e-4."""

ROUNDING = 1e-5
"""What rounding may add to the gap, as a share of the map's absolute sum: for outputs that hardly change."""


@dataclass(frozen=True)
class DeepLiftParams:
    """Of DeepLIFT."""

    baseline: str = param(
        "black",
        help="what counts as no evidence: black, the training mean, or the blurred picture",
        choices=("black", "mean", "blur"),
    )


@explainer(
    Card(
        key="deeplift",
        title="DeepLIFT (rescale)",
        summary="What sets the output apart from a baseline's, handed back layer by layer.",
        blind_spot="Depends on the baseline; pixels that work only together get arbitrary shares; refused for models "
        "whose parts have no rule.",
        paper="Shrikumar, Greenside and Kundaje 2017, Learning Important Features Through Propagating Activation "
        "Differences, section 3.5.1; Ancona et al. 2018 (as modified gradients)",
        needs=frozenset({"gradients"}),
        cost=6.0,
        version=2,
        signed=True,
    ),
    DeepLiftParams,
)
def deeplift(given: ExplainerInput, params: DeepLiftParams) -> Explanation:
    """`(x − b) · m`, channels summed; m are the multipliers Δout/Δin of all non-linear units, chained.

    Diagnostics: `completeness_gap` = |Σ map − (f(x) − f(b))| / |f(x) − f(b)|; 0 is ideal, NaN where the output does
    not change. Beyond 1 % the map is refused.

    Raises:
        NotApplicable: a part of the model has no rule; the error names it.
    """
    import torch

    from xai_core.explainers.engine.baseline import baseline
    from xai_core.explainers.engine.output import TargetOutput
    from xai_core.explainers.engine.rewrite import kept_copy
    from xai_core.explainers.engine.ruled_copies import for_deeplift

    classifier, x, weights = given.classifier, given.x, given.weights
    output = TargetOutput(classifier)
    start = baseline(classifier, x, params.baseline)
    with torch.no_grad():
        # Of the original, not of the copy: the gap then also tells of a rewrite gone wrong.
        change = output(x, weights) - output(start, weights)
    copied = replace(classifier, module=kept_copy(classifier, "deeplift", lambda: for_deeplift(classifier)))
    attributions = _attributions(TargetOutput(copied), x, start, weights)
    off = (attributions.flatten(1).sum(1) - change).abs()
    allowed = TOLERANCE * change.abs() + ROUNDING * attributions.abs().flatten(1).sum(1)
    gap = (off / change.abs()).where(change != 0, torch.nan).cpu().numpy()
    refusals = tuple(
        f"completeness gap {100 * share:.0f} %: the map would be wrong" if wrong else None
        for share, wrong in zip(gap.tolist(), (off > allowed).tolist(), strict=True)
    )
    return Explanation(attributions.sum(1).cpu().numpy(), {"completeness_gap": gap}, refusals)


def _attributions(output: nn.Module, x: Tensor, start: Tensor, weights: Tensor) -> Tensor:
    """`(N, C, H, W)`."""
    from captum.attr import DeepLift

    with warnings.catch_warnings():
        # Captum warns of the hooks that it sets, and takes away again.
        warnings.simplefilter("ignore", UserWarning)
        try:
            found = DeepLift(output).attribute(x.clone().requires_grad_(), start, additional_forward_args=(weights,))
        finally:
            for part in output.modules():
                for name in ("input", "output"):
                    vars(part).pop(name, None)
    return found.detach()
