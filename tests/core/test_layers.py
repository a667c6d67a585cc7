"""Which layers can hold a map is found for any model, and told by every error about a layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.core.explainer_cases import state, touched
from tests.oracles.families import FAMILIES, family
from tests.oracles.models import Plain, Residual, Tokens, model, pictures, wrap
from xai_core.errors import NotApplicable, NotFound
from xai_core.explainers import ExplainerInput
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.plan import explain
from xai_core.models.layers import layer_candidates, other_layer
from xai_core.types import Target


def test_candidates_are_named_in_the_order_in_which_they_run_with_their_shapes() -> None:
    """Of `block2` and its last ReLU, which give the same, the container; ReLUs that run twice are left out."""
    found = layer_candidates(model(Residual))
    assert found[:2] == [("stem", (24, 16, 12)), ("norm", (24, 16, 12))]
    assert found[-1] == ("block2", (32, 8, 6))
    assert not {"block1.relu", "block2.relu", "head"} & set(dict(found))
    assert other_layer(model(Residual)).startswith("Layers with a map: block2 (32×8×6), block2.")


def test_tokens_are_restored_and_those_that_no_logit_depends_on_are_left_out() -> None:
    found = dict(layer_candidates(model(Tokens)))
    assert found == {"patches": (8, 4, 3), "first": (8, 4, 3)}


@pytest.mark.parametrize("key", FAMILIES)
def test_every_family_has_candidates_of_which_its_own_layer_is_one(key: str) -> None:
    classifier = family(key)
    seen: dict[str, Tensor] = {}
    classifier.layer().register_forward_hook(lambda _, __, out: seen.update(out=out))
    found = layer_candidates(classifier)
    restore = classifier.restore_grid or (lambda out: out)
    assert tuple(restore(seen["out"]).shape[1:]) in dict(found).values()
    _, height, width = classifier.input_shape
    assert all(0 < h <= height and 0 < w <= width and h * w > 1 for _, (_, h, w) in found)


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
def test_looking_for_candidates_leaves_no_trace(kind: type[nn.Module]) -> None:
    classifier = touched(model(kind))
    before = state(classifier)
    with torch.inference_mode():
        assert layer_candidates(classifier)
    assert state(classifier) == before


def test_a_model_that_does_not_take_its_input_has_no_candidates() -> None:
    classifier = wrap(Plain(channels=1), "features")
    assert layer_candidates(classifier) == []
    assert other_layer(classifier) == "Choose a convolutional layer before the classifier's head."


class Odd(Plain):
    """With a layer that is never called, one that nothing reads, and one that gives a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.spare, self.ignored, self.pair = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), Pair()

    def forward(self, x: Tensor) -> Tensor:
        self.ignored(x)
        return super().forward(self.pair(x)[0])


class Pair(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x * 2, x


@pytest.mark.parametrize(
    ("layer", "error", "says"),
    [
        ("featurs", NotFound, "no layer of this name: featurs. Did you mean features"),
        ("zzz", NotFound, "no layer of this name: zzz"),
        ("head.3", NotApplicable, r"not a grid of channels: head.3 gives \(1, 16\)"),
        ("spare", NotApplicable, "does not use this layer: spare"),
        ("ignored", NotApplicable, "no gradient of the target reaches this layer: ignored"),
        ("pair", NotApplicable, "several outputs: pair"),
        ("", NotFound, "declares no layer for class activation maps"),
    ],
)
def test_an_error_about_a_layer_lists_the_candidates(layer: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=rf"{says}.* Layers with a map: .*features \(12×8×6\), features.2 \(8×8×6\)"):
        gradcam(wrap(Odd()), layer)


def gradcam(classifier: Any, layer: str = "") -> None:
    x = pictures(1, shape=classifier.input_shape)
    methods = [("gradcam", CamParams(layer=layer))]
    explain(ExplainerInput(classifier, x, [Target(0)], torch.arange(1).numpy()), methods)
