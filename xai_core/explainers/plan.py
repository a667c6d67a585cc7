"""Runs any explainers on the same samples: checks the request once, shares what can be shared, leaves no trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotApplicable
from xai_core.explainers.base import EXPLAINERS, Context, Explainer
from xai_core.explainers.guard import untouched
from xai_core.types import Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

Method = tuple[str, Any]
"""`(explainer key, its params)`; params None for the defaults."""


def explain(
    classifier: Classifier,
    x: Tensor,
    targets: Sequence[Target],
    methods: Sequence[Method],
    context: Context,
    seeds: NDArray[np.int64],
) -> list[Explanation]:
    """Maps of several methods for the same samples, in the order of `methods`.

    Args:
        classifier: is exactly as before after the call, also after an exception.
        x: `(N, C, H, W)` model input. For several targets of one sample, repeat its row.
        targets: one per row.
        methods: which explainers; class activation maps at one layer share one forward and one backward.
        context: what their cards' `needs` ask for.
        seeds: `(N,)`, one per row; stochastic methods draw from these alone.

    Raises:
        NotFound: an unknown method or layer.
        BadInput: input or targets that do not fit the classifier.
        NotApplicable: a method that cannot be used with this model at all. To learn of each method separately,
            call once per entry of `groups`.
    """
    checked = checked_input(classifier, x, targets, seeds)
    results: dict[int, Explanation] = {}
    for group in groups(classifier, methods):
        members = [EXPLAINERS[methods[index][0]] for index in group]
        params = methods[group[0]][1] or members[0].params()
        with untouched(classifier):
            if members[0].run is None:
                found = _cams(classifier, checked, targets, members, params.layer)
            else:
                found = [members[0].run(classifier, checked, targets, params, context, seeds)]
        results.update(zip(group, map(_finished, found), strict=True))
    return [results[index] for index in range(len(methods))]


def groups(classifier: Classifier, methods: Sequence[Method]) -> list[list[int]]:
    """Positions in `methods` that are served by one pass; cheap groups first."""
    found: dict[object, list[int]] = {}
    for index, (key, params) in enumerate(methods):
        member = EXPLAINERS[key]
        layer = (params or member.params()).layer if member.formula else ""
        found.setdefault((layer or classifier.cam_layer) if member.formula else index, []).append(index)
    return sorted(found.values(), key=lambda group: EXPLAINERS[methods[group[0]][0]].card.cost)


def checked_input(classifier: Classifier, x: Tensor, targets: Sequence[Target], seeds: NDArray[np.int64]) -> Tensor:
    """`x` detached, float32, on the classifier's device.

    Raises:
        BadInput: a wrong shape, a number that is not finite, a class that does not exist, or unequal lengths.
    """
    import torch

    expected = classifier.input_shape
    if x.ndim != 4 or len(x) == 0 or tuple(x.shape[1:]) != expected:
        wanted = f"Give at least one sample of shape {expected}: channels, height, width."
        raise BadInput("the input has the wrong shape for this model", value=tuple(x.shape), remedy=wanted)
    if len(targets) != len(x) or len(seeds) != len(x):
        counts = f"{len(x)} samples, {len(targets)} targets, {len(seeds)} seeds"
        raise BadInput("unequal lengths", value=counts, remedy="Give one target and one seed per sample.")
    bad = (~torch.isfinite(x).flatten(1).all(1)).nonzero().flatten().tolist()
    if bad:
        raise BadInput("the input holds NaN or infinity", value=f"row {bad[0]}", remedy="Leave such samples out.")
    for target in targets:
        _check_target(target, len(classifier.class_names))
    return x.detach().to(classifier.device, torch.float32)


def _check_target(target: Target, classes: int) -> None:
    for index in (target.positive, target.negative):
        if index is not None and not 0 <= index < classes:
            raise BadInput("there is no class of this index", value=index, remedy=f"Choose from 0 to {classes - 1}.")
    if target.positive == target.negative:
        raise BadInput("a difference of a class and itself", value=target.key, remedy="Choose two classes.")


def _cams(
    classifier: Classifier, x: Tensor, targets: Sequence[Target], members: Sequence[Explainer], layer: str
) -> list[Explanation]:
    """One pass, all formulas. Raises NotApplicable where no row has a gradient at the layer."""
    from xai_core.explainers.engine.layer_pass import OTHER_LAYER, activations_and_gradients
    from xai_core.explainers.engine.output import weights_of

    activations, gradients = activations_and_gradients(classifier, x, weights_of(classifier, targets), layer)
    dead = (gradients.flatten(1) == 0).all(1).tolist()
    if all(dead):
        shown = layer or classifier.cam_layer
        raise NotApplicable("no gradient of the target reaches this layer", value=shown, remedy=OTHER_LAYER)
    refusals = tuple("no gradient of the target reaches the layer" if row else None for row in dead)
    maps = [member.formula(activations, gradients) for member in members if member.formula]
    return [Explanation(found.cpu().numpy().astype(np.float32), refusals=refusals) for found in maps]


def _finished(explanation: Explanation) -> Explanation:
    """Refused maps are NaN, and maps that are not finite are refused."""
    finite = [bool(np.isfinite(found).all()) for found in explanation.maps]
    refusals = tuple(
        reason or (None if fine else "the map is not finite: the model gives NaN or infinity for this sample")
        for reason, fine in zip(explanation.refusals, finite, strict=True)
    )
    maps = np.ascontiguousarray(explanation.maps, dtype=np.float32)
    maps[[reason is not None for reason in refusals]] = np.nan
    return replace(explanation, maps=maps, refusals=refusals)
