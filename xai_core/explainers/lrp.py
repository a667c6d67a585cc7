"""Layer-wise relevance propagation, on a copy of the model whose gradient is relevance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import param
from xai_core.types import Array, Card, Explanation

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.explainers.engine.lrp_model import LrpModel
    from xai_core.models.classifier import Classifier

TOLERANCE = 0.10
"""How far from 1 conservation may be before a map is refused."""


@dataclass(frozen=True)
class LrpParams:
    """Of relevance propagation."""

    composite: str = param(
        "epsilon-plus-flat",
        help="which rules: z⁺ on hidden convolutions (smooth, the default), γ (keeps some evidence against), or ε "
        "everywhere (like gradient × input; noisy). Linear layers have ε, the first convolution flat but for ε",
        choices=("epsilon-plus-flat", "gamma", "epsilon"),
        later=True,
    )


@explainer(
    Card(
        key="lrp",
        title="Layer-wise relevance propagation",
        summary="The target's logit, handed back layer by layer to the pixels that made it.",
        blind_spot="Says how this logit came about, not what would change the decision; refused for models whose "
        "parts have no rule.",
        paper="Bach et al. 2015, On Pixel-Wise Explanations; Montavon et al. 2019, Layer-Wise Relevance Propagation: "
        "An Overview (composite rules); Ali et al. 2022, XAI for Transformers (attention)",
        needs=frozenset({"gradients"}),
        cost=3.5,
        version=2,
        signed=True,
    ),
    LrpParams,
)
def lrp(given: ExplainerInput, params: LrpParams) -> Explanation:
    """Relevance of pixels, channels summed, by the rules of a composite; of a difference, R(positive) − R(negative).

    Transformers have rules of their own: attention weights and the deviations of LayerNorm are held fixed, linear
    layers have ε, and what a patch's token holds is spread evenly over the patch.

    Diagnostics: `conservation` = Σ R / logit, 1 is ideal; of a difference, the worse of its two. Beyond 10 % off the
    map is refused, and also where the head's bias alone gives the logit its sign (conservation is then NaN): every
    pixel's sign would be turned around. Where a model has tokens of its own, such as a class token, they count in Σ R,
    and `constant_share` says what share of the logit they hold, which the map therefore lacks.

    Raises:
        NotApplicable: there is no rule for a part of the model; the error names it.
    """
    import torch

    x, weights = given.x, given.weights
    second = [row for row, target in enumerate(given.targets) if target.negative is not None]
    both = torch.cat([weights.clamp(min=0), -weights[second].clamp(max=0)])
    maps, diagnostics = _relevance(given.classifier, torch.cat([x, x[second]]), both, params.composite)
    for row, found in zip(second, range(len(x), len(both)), strict=True):
        maps[row] -= maps[found]
        for values in diagnostics.values():
            values[row] = _worse(values[row], values[found])
    worst = {name: values[: len(x)].copy() for name, values in diagnostics.items()}
    return Explanation(maps[: len(x)].copy(), worst, tuple(map(_refusal, worst["conservation"])))


def _worse(one: float, other: float) -> float:
    """Of two ratios the one further from 1; NaN is the furthest."""
    return max(one, other, key=lambda ratio: np.inf if np.isnan(ratio) else abs(ratio - 1))


def _refusal(conservation: float) -> str | None:
    if abs(conservation - 1) <= TOLERANCE:
        return None
    if np.isnan(conservation):
        return "conservation is undefined: this logit is 0, or the model's bias alone decides its sign"
    return f"conservation {conservation:.2f}, more than 10 % off: the map would be wrong"


def _relevance(classifier: Classifier, x: Tensor, weights: Tensor, composite: str) -> tuple[Array, dict[str, Array]]:
    """Relevance of what the weights `(M, *output)`, none below 0, make of the output: `(M, H, W)`, and diagnostics."""
    import torch

    from xai_core.explainers.engine.output import weighted

    model = _copy(classifier, composite)
    if model.single and len(x) > 1:
        parts = [_relevance(classifier, x[at : at + 1], weights[at : at + 1], composite) for at in range(len(x))]
        names = parts[0][1]
        told = {name: np.concatenate([values[name] for _, values in parts]) for name in names}
        return np.concatenate([each for each, _ in parts]), told
    leaf = x.float().clone().requires_grad_()
    score = weighted(model.graph(leaf), weights)
    target, added = score.detach(), weighted(model.constant, weights)
    # What the affine end adds whatever the picture is one factor for the whole map.
    factor = torch.where(target == added, 0.0, target / (target - added))
    relevance, *elsewhere = torch.autograd.grad(score, [leaf, *model.constants()], factor)
    maps = relevance.sum(1)
    constant = sum((part.flatten(1).sum(1) for part in elsewhere), torch.zeros_like(target))
    conservation = (maps.flatten(1).sum(1) + constant) / target
    conservation[factor <= 0] = torch.nan
    found = {"conservation": conservation, **({"constant_share": constant / target} if elsewhere else {})}
    return maps.cpu().numpy(), {name: values.cpu().numpy() for name, values in found.items()}


def _copy(classifier: Classifier, composite: str) -> LrpModel:
    from xai_core.explainers.engine.lrp_model import lrp_model
    from xai_core.explainers.engine.rewrite import kept_copy

    return kept_copy(classifier, f"lrp {composite}", lambda: lrp_model(classifier, composite))
