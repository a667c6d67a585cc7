"""Layer-wise relevance propagation, by Captum on a rewritten copy of the model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.explainers.base import Context, explainer
from xai_core.params import NoParams
from xai_core.types import Array, Card, Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor, fx

    from xai_core.models.classifier import Classifier

TOLERANCE = 0.10
"""How far from 1 conservation may be before a map is refused."""

CACHED = 4
_ready: OrderedDict[tuple[str, str], fx.GraphModule] = OrderedDict()


@explainer(
    Card(
        key="lrp",
        title="Layer-wise relevance propagation",
        summary="The target's logit, handed back layer by layer to the pixels that made it.",
        blind_spot="Says how this logit came about, not what would change the decision; refused for models whose "
        "parts have no rule.",
        paper="Bach et al. 2015, On Pixel-Wise Explanations; Montavon et al. 2019, Layer-Wise Relevance Propagation: "
        "An Overview (composite rules)",
        needs=frozenset({"gradients"}),
        cost=5.2,
        signed=True,
    )
)
def lrp(
    classifier: Classifier,
    x: Tensor,
    targets: Sequence[Target],
    params: NoParams,  # noqa: ARG001
    context: Context,  # noqa: ARG001
    seeds: NDArray[np.int64],  # noqa: ARG001
) -> Explanation:
    """Flat rule on the first convolution, z⁺ without bias on the others, ε = 1e-6 on linear layers; channels summed.

    The map of a difference is R(positive) − R(negative).

    Diagnostics: `conservation` = Σ R / logit, 1 is ideal (biases of hidden linear layers keep their share); of a
    difference, the worse of its two. Beyond 10 % off the map is refused, and also where the head's bias alone gives
    the logit its sign (conservation is then NaN): every pixel's sign would be turned around.

    Raises:
        NotApplicable: Captum has no rule for a part of the model; the error names it.
    """
    import torch

    second = [row for row, target in enumerate(targets) if target.negative is not None]
    classes = [target.positive for target in targets]
    classes += [target.negative for target in targets if target.negative is not None]
    maps, conservation = _relevance(classifier, torch.cat([x, x[second]]), classes)
    worst = conservation[: len(x)].copy()
    for row, found in zip(second, range(len(x), len(classes)), strict=True):
        maps[row] -= maps[found]
        if np.isnan(conservation[found]) or abs(conservation[found] - 1) > abs(worst[row] - 1):
            worst[row] = conservation[found]
    return Explanation(maps[: len(x)].copy(), {"conservation": worst}, tuple(map(_refusal, worst)))


def _refusal(conservation: float) -> str | None:
    if abs(conservation - 1) <= TOLERANCE:
        return None
    if np.isnan(conservation):
        return "conservation is undefined: this logit is 0, or the model's bias alone decides its sign"
    return f"conservation {conservation:.2f}, more than 10 % off: the map would be wrong"


def _relevance(classifier: Classifier, x: Tensor, classes: Sequence[int]) -> tuple[Array, Array]:
    """Relevance of one class per row, `(M, H, W)`, and its conservation, `(M,)`."""
    import torch
    from captum.attr import LRP

    from xai_core.explainers.engine.lrp_rules import attach_rules, head_of
    from xai_core.explainers.engine.output import checked_logits

    model = _rewritten(classifier)
    wanted = torch.tensor(classes, device=x.device)
    with torch.no_grad():
        logits = checked_logits(classifier.logits(x), len(classifier.class_names))
        target = logits.gather(1, wanted[:, None])[:, 0]
    attach_rules(model)
    try:
        relevance = LRP(model).attribute(x.clone().requires_grad_(), target=wanted).detach()
    finally:
        for part in model.modules():
            vars(part).pop("activations", None)
    maps = relevance.sum(1)
    # The original's logit, not the copy's: the ratio then also tells of a rewrite gone wrong.
    conservation = maps.flatten(1).sum(1) / target
    head = head_of(model)
    if head is not None and head.bias is not None:
        conservation[(target - head.bias[wanted]) * target <= 0] = torch.nan
    return maps.float().cpu().numpy(), conservation.float().cpu().numpy()


def _rewritten(classifier: Classifier) -> fx.GraphModule:
    """The rewritten copy, kept for the last few classifiers."""
    from xai_core.explainers.engine.lrp_rewrite import rewritten

    key = (classifier.fingerprint, str(classifier.device))
    if key not in _ready:
        _ready[key] = rewritten(classifier.module)
    _ready.move_to_end(key)
    while len(_ready) > CACHED:
        _ready.popitem(last=False)
    return _ready[key]
