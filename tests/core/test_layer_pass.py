"""The pass that class activation maps share: what it gives, what it refuses, how often it runs the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from tests.oracles.models import CLASSES, Plain, Residual, Tokens, model, pictures, wrap
from xai_core.errors import BadInput, NotApplicable, NotFound, XaiError
from xai_core.explainers import ExplainerInput
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.layer_pass import activations, rounds
from xai_core.explainers.engine.output import weights_of
from xai_core.explainers.engine.plan import explain
from xai_core.models.classifier import Classifier
from xai_core.models.grids import layout_of
from xai_core.types import Explanation, Target

SEVERAL = [Target(2), Target(0), Target(2, 4), Target(1), Target(3), Target(0), Target(4)]
ROWS = np.array([1, 0, 1, 2, 1, 2, 0])
"""Three samples with two, three and two targets, mixed up."""


class Odd(Plain):
    """With a layer that nobody calls and one that gives two tensors."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__(classes=classes)
        self.unused, self.pair = nn.Conv2d(3, 3, 1), Pair()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.pair(x)[0])


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * 1, x * 2


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
def test_activations_alone_are_those_of_the_pass_with_gradients(kind: type[nn.Module]) -> None:
    classifier, x = model(kind), pictures(3)
    weights = weights_of(classifier, [Target(0), Target(1), Target(2)])
    alone = activations(classifier, x, "")
    assert not alone.requires_grad
    (together,) = rounds(classifier, x, np.arange(3), weights, "")
    assert torch.equal(alone, together.activations)


@pytest.mark.parametrize(
    ("layer", "error", "match"),
    [
        ("featurs", NotFound, "Did you mean features"),
        ("unused", NotApplicable, "does not use this layer"),
        ("pair", NotApplicable, "several outputs"),
        ("head.3", NotApplicable, "not a grid of channels"),
    ],
)
def test_activations_refuse_a_layer(layer: str, error: type[XaiError], match: str) -> None:
    with pytest.raises(error, match=match):
        activations(wrap(Odd(), "features"), pictures(2), layer)


def test_activations_refuse_a_model_without_logits() -> None:
    with pytest.raises(NotApplicable, match="wrong shape for 5 classes"):
        activations(wrap(Plain(classes=7), "features"), pictures(2), "")


def explained(
    classifier: Classifier, x: torch.Tensor, targets: list[Target], *keys: str, layer: str = "", rows: object = None
) -> list[Explanation]:
    methods = [(key, CamParams(layer)) for key in keys]
    return explain(ExplainerInput(classifier, x, targets, np.arange(len(targets))), methods, rows)


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal to rounding, and not all zero."""
    scale = np.abs(theirs).max()
    assert scale > 0
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * scale)


def forwards(classifier: Classifier) -> list[int]:
    """Batch sizes of the calls of the model from now on, when it is known how its layer lies."""
    layout_of(classifier, "")
    calls: list[int] = []
    classifier.module.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    return calls


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
def test_targets_of_one_sample_share_its_forward_and_equal_repeated_samples(kind: type[nn.Module]) -> None:
    classifier, x = model(kind), pictures(3)
    calls = forwards(classifier)
    together = explained(classifier, x, SEVERAL, "gradcam", "gradcam++", "hirescam", rows=ROWS)
    assert calls == [3]
    repeated = explained(classifier, x[ROWS], SEVERAL, "gradcam", "gradcam++", "hirescam")
    for ours, theirs in zip(together, repeated, strict=True):
        assert_close(ours.maps, theirs.maps)


def test_methods_that_run_the_model_take_targets_of_one_sample_too() -> None:
    classifier, x = model(Plain), pictures(3)
    seeds = np.arange(len(ROWS)) + 7
    methods = [("saliency", None), ("random", None)]
    together = explain(ExplainerInput(classifier, x, SEVERAL, seeds), methods, ROWS)
    repeated = explain(ExplainerInput(classifier, x[ROWS], SEVERAL, seeds), methods)
    for ours, theirs in zip(together, repeated, strict=True):
        np.testing.assert_allclose(ours.maps, theirs.maps, atol=1e-6)


@pytest.mark.parametrize("rows", [np.array([0, 3]), np.array([-1, 0]), np.array([0])])
def test_refuses_rows_that_are_not_given(rows: np.ndarray) -> None:
    with pytest.raises(BadInput, match=r"samples that are not given|unequal lengths"):
        explained(model(Plain), pictures(3), [Target(0), Target(1)], "gradcam", rows=rows)


def captum(classifier: Classifier, x: torch.Tensor, target: int, layer: str) -> np.ndarray:
    found = LayerGradCam(classifier.module, classifier.layer(layer)).attribute(x, target=target)
    return found.detach().numpy()[:, 0]


class InPlace(nn.Module):
    """What follows the layer changes its output in place; a way around it; the head uses one layer three times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.around, self.again = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)
        self.drop, self.relu = nn.Dropout(), nn.ReLU(inplace=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.layer(x)
        seen += self.around(x)
        seen = self.relu(seen)
        seen = self.relu(self.again(self.relu(self.again(seen))))
        seen = seen + self.again(self.drop(seen))
        return self.head(seen.mean((2, 3)))


def in_place() -> Classifier:
    torch.manual_seed(3)
    return wrap(InPlace().eval(), "layer")


@pytest.mark.parametrize("layer", ["layer", "around", "again"])
def test_equals_captum_where_the_model_makes_it_hard(layer: str) -> None:
    """In-place operations after the layer, a way around it, and a layer used three times: its last use counts."""
    classifier, x = in_place(), pictures(3)
    (found,) = explained(classifier, x, [Target(1), Target(1), Target(1)], "gradcam", layer=layer)
    assert_close(found.maps, captum(classifier, x, 1, layer))


def test_a_layer_that_hands_its_input_on_gets_only_what_goes_through_it() -> None:
    """Dropout in evaluation gives the very tensor that the way around it uses; Captum credits the layer with both."""
    classifier, x = in_place(), pictures(2)
    (kept,) = rounds(classifier, x, np.arange(2), weights_of(classifier, [Target(1), Target(1)]), "drop")
    through = torch.einsum("k,kc->c", classifier.module.head.weight[1], classifier.module.again.weight[:, :, 0, 0])
    expected = through[None, :, None, None].expand_as(kept.gradients) / kept.gradients[0, 0].numel()
    torch.testing.assert_close(kept.gradients, expected.detach())


def test_without_a_method_that_uses_gradients_there_is_no_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a backward was run")

    classifier, x = model(Residual), pictures(3)
    (together, _) = explained(classifier, x, SEVERAL, "eigencam", "gradcam", rows=ROWS)
    monkeypatch.setattr(torch.autograd, "grad", fail)
    calls = forwards(classifier)
    (alone,) = explained(classifier, x, SEVERAL, "eigencam", rows=ROWS)
    assert calls == [3]
    np.testing.assert_array_equal(alone.maps, together.maps)


def test_a_dead_gradient_refuses_only_methods_that_use_it() -> None:
    """The last norm of a transformer: its patch tokens lead nowhere."""
    classifier, x = model(Tokens), pictures(2)
    with_gradients, without = explained(classifier, x, [Target(0), Target(1)], "gradcam", "eigencam", layer="norm")
    assert None not in with_gradients.refusals
    assert without.refusals == (None, None)
    assert np.isfinite(without.maps).all()
    with pytest.raises(NotApplicable, match="no gradient of the target reaches"):
        explained(classifier, x, [Target(0), Target(1)], "gradcam", "layercam", layer="norm")
