"""Every attribution method, and every composite, on nets whose answer is known: the sign of what each patch did.

That a map conserves is no proof: a rule that shares by size conserves, and draws evidence against a class as evidence
for it. So each patch is covered, and the map must say of it what the net says.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.oracles.known import BY_HAND, TRAINED, Known, by_hand, siamese, trained, wide
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.lrp_model import COMPOSITES
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.gradient_shap import ShapParams
from xai_core.explainers.integrated_gradients import IGParams
from xai_core.explainers.lrp import LrpParams
from xai_core.explainers.occlusion import OcclusionParams
from xai_core.types import Explanation, Target

ATTRIBUTIONS: dict[str, tuple[str, Any]] = {
    **{f"lrp, {name}": ("lrp", LrpParams(name)) for name in COMPOSITES},
    "input_x_gradient": ("input_x_gradient", None),
    "deeplift": ("deeplift", None),
    "ig": ("ig", IGParams(steps=32)),
    "shap": ("shap", ShapParams(samples=32, background=1)),
    "occlusion": ("occlusion", OcclusionParams()),
}
"""Methods whose maps say how much each pixel speaks for or against, with quick arguments and black as no evidence."""

NOT_ATTRIBUTIONS = {"saliency", "smoothgrad", "guided_gradcam", "random", "shap_layer"}
"""Signed, but sensitivities or controls, or on a layer's grid, which is coarser than the patches."""
RECTIFIED_INPUTS = "negative inputs of a convolution"
"""gamma and epsilon divide by next to nothing without them, and are refused."""
REFUSED = {
    ("ELU", "lrp, gamma"): RECTIFIED_INPUTS,
    ("ELU", "lrp, epsilon"): RECTIFIED_INPUTS,
    ("linear bottleneck", "lrp, gamma"): RECTIFIED_INPUTS,
    ("linear bottleneck", "lrp, epsilon"): RECTIFIED_INPUTS,
    ("linear bottleneck", "deeplift"): "no rule",
    ("difference", "deeplift"): "no rule",
}
AGREES, AGREES_LOCALLY = 0.85, 0.75
"""How often at least the signs agree; a gradient knows of one point only, and of a covered patch less than the rest."""
MATTERS = 0.3
"""A patch matters that changes the logit by this share of what the other one does."""


def test_every_signed_method_is_decided() -> None:
    named = {key for key, _ in ATTRIBUTIONS.values()} | NOT_ATTRIBUTIONS
    assert named == {key for key in EXPLAINERS.keys() if EXPLAINERS[key].card.signed}  # noqa: SIM118


def run(known: Known, method: str) -> Explanation:
    targets = [Target(target) for target in known.targets]
    context = torch.zeros(1, *known.classifier.input_shape)
    (found,) = explain(
        ExplainerInput(known.classifier, known.x, targets, np.arange(len(targets), dtype=np.int64), background=context),
        [ATTRIBUTIONS[method]],
    )
    return found


def held(known: Known, found: Explanation) -> NDArray[np.float64]:
    """`(N, 2)`: what the map gives each patch."""
    return (found.maps[:, None] * known.patches.numpy()).sum((2, 3))


@cache
def effects(name: str) -> NDArray[np.float64]:
    return trained(name).effects()


@pytest.mark.parametrize("method", ATTRIBUTIONS)
@pytest.mark.parametrize("name", BY_HAND)
def test_what_speaks_against_is_drawn_as_against(name: str, method: str) -> None:
    known = by_hand(name)
    (truth,) = known.effects()
    assert truth[0] > 0 > truth[1]
    if (name, method) in REFUSED:
        with pytest.raises(NotApplicable, match=REFUSED[name, method]):
            run(known, method)
        return
    found = run(known, method)
    assert found.refusals[0] is None
    left, right = held(known, found)[0]
    assert left > 0 > right


@pytest.mark.parametrize("method", ATTRIBUTIONS)
@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_nets_patches_have_the_sign_that_covering_shows(name: str, method: str) -> None:
    known, truth = trained(name), effects(name)
    if (name, method) in REFUSED:
        with pytest.raises(NotApplicable, match=REFUSED[name, method]):
            run(known, method)
        return
    found = run(known, method)
    drawn = np.array([reason is None for reason in found.refusals])
    assert drawn.mean() >= 0.9
    matters = (np.abs(truth) >= MATTERS * np.abs(truth).max(1, keepdims=True)) & drawn[:, None]
    against = matters & (truth < 0)
    assert against.sum() >= 15, "the task is solved by comparing"
    right, enough = np.sign(held(known, found)) == np.sign(truth), AGREES
    if method == "input_x_gradient":
        enough = AGREES_LOCALLY
    assert min(right[against].mean(), right[matters].mean()) >= enough - 1e-9


@pytest.mark.parametrize("composite", COMPOSITES)
def test_halves_that_change_places_change_the_map_likewise(composite: str) -> None:
    """A net with one stem for both halves: the first convolution in its graph is no other than the second."""
    classifier, x = siamese()
    turned = torch.cat([x[..., 6:], x[..., :6]], 3)
    torch.testing.assert_close(classifier.logits(x), classifier.logits(turned))
    maps = []
    for pictures in (x, turned):
        methods = [("lrp", LrpParams(composite))]
        (found,) = explain(ExplainerInput(classifier, pictures, [Target(0)], np.zeros(1, np.int64)), methods)
        maps.append(found.maps[0])
    swapped = np.concatenate([maps[1][:, 6:], maps[1][:, :6]], 1)
    np.testing.assert_allclose(swapped, maps[0], atol=1e-3 * np.abs(maps[0]).max())


def test_a_first_convolution_as_large_as_the_picture_still_tells_pixels_apart() -> None:
    classifier, x = wide()
    (found,) = explain(ExplainerInput(classifier, x, [Target(0)], np.zeros(1, np.int64)), [("lrp", None)])
    assert np.ptp(found.maps[0]) > 0.1 * np.abs(found.maps[0]).max()
