"""A randomised copy has learned nothing, differs everywhere, and leaves the original alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracles.models import Plain, Residual, Tokens, model, pictures, wrap
from xai_core.errors import NotFound
from xai_core.sanity.randomise import randomised

KINDS = [Plain, Residual, Tokens]


def learned(module: nn.Module) -> dict[str, torch.Tensor]:
    """Every tensor that training changes: parameters and running statistics."""
    return {name: value.clone() for name, value in module.state_dict().items() if value.is_floating_point()}


@pytest.mark.parametrize("kind", KINDS)
def test_no_tensor_is_left(kind: type[nn.Module]) -> None:
    classifier = model(kind)
    before = learned(classifier.module)
    copy = randomised(classifier, 7)
    same = [name for name, value in learned(copy.module).items() if torch.equal(value, before[name])]
    assert same == []


@pytest.mark.parametrize("name", ["resnet18", "vit"])
def test_no_parameter_of_a_fresh_torchvision_model_is_left(name: str) -> None:
    """Fresh: scales are 1 and shifts 0 already, so resetting them to that would leave them as they are."""
    import torchvision

    module = (
        torchvision.models.resnet18(num_classes=5)
        if name == "resnet18"
        else torchvision.models.VisionTransformer(32, 16, 2, 2, 16, 32, num_classes=5)
    )
    before = dict(module.named_parameters())
    copy = randomised(wrap(module), 0)
    assert [n for n, p in copy.module.named_parameters() if torch.equal(p, before[n])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_layers_of_one_shape_differ(kind: type[nn.Module]) -> None:
    parameters = list(randomised(model(kind), 7).module.parameters())
    for index, first in enumerate(parameters):
        for second in parameters[index + 1 :]:
            assert first.shape != second.shape or not torch.equal(first, second)


def test_the_seed_decides() -> None:
    classifier = model(Residual)
    first, again, other = (randomised(classifier, seed) for seed in (1, 1, 2))
    for name, value in first.module.named_parameters():
        assert torch.equal(value, again.module.get_parameter(name))
        assert not torch.equal(value, other.module.get_parameter(name))


def test_it_does_not_depend_on_what_was_learned() -> None:
    first, second = randomised(model(Residual, 1), 5), randomised(model(Residual, 2), 5)
    for name, value in learned(first.module).items():
        assert torch.equal(value, second.module.state_dict()[name])


@pytest.mark.parametrize("kind", KINDS)
def test_the_original_and_the_random_state_are_untouched(kind: type[nn.Module]) -> None:
    classifier = model(kind)
    before, state = learned(classifier.module), torch.get_rng_state()
    randomised(classifier, 7)
    assert all(torch.equal(value, before[name]) for name, value in learned(classifier.module).items())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_fingerprint_says_what_was_done() -> None:
    classifier = model(Residual)
    assert randomised(classifier, 7).fingerprint == "Residual-0+randomised:7"
    assert randomised(classifier, 7, ["head", "block2"]).fingerprint == "Residual-0+randomised:7:block2,head"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_copy_is_alive(kind: type[nn.Module], seed: int) -> None:
    """Its logits are finite, differ between pictures and stay of a usable size."""
    with torch.no_grad():
        logits = randomised(model(kind), seed).logits(pictures(8))
    assert logits.isfinite().all()
    assert logits.std(0).min() > 1e-4
    assert logits.abs().max() < 1e3


def test_chosen_layers_only_and_a_cascade_keeps_its_values() -> None:
    classifier = model(Residual)
    before = learned(classifier.module)
    top = learned(randomised(classifier, 3, ["head"]).module)
    two = learned(randomised(classifier, 3, ["head", "block2.bn1"]).module)
    changed = {name for name in before if not torch.equal(before[name], top[name])}
    assert changed == {"head.weight", "head.bias"}
    changed = {name for name in before if not torch.equal(before[name], two[name])}
    names = ("weight", "bias", "running_mean", "running_var")
    assert changed == {"head.weight", "head.bias", *(f"block2.bn1.{name}" for name in names)}
    assert torch.equal(top["head.weight"], two["head.weight"])


def test_a_parameter_can_be_chosen_by_name() -> None:
    classifier = model(Tokens)
    copy = randomised(classifier, 3, ["positions"])
    before = learned(classifier.module)
    assert [name for name, value in learned(copy.module).items() if not torch.equal(value, before[name])] == [
        "positions"
    ]


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(NotFound, match="Did you mean block2"):
        randomised(model(Residual), 0, ["blok2"])


def test_a_copy_is_a_classifier_like_any_other() -> None:
    from xai_core.explainers import ExplainerInput
    from xai_core.explainers.engine.plan import explain
    from xai_core.types import Target

    classifier, targets = model(Residual), [Target(0)] * 3
    for key in ("gradcam", "lrp"):
        maps = [
            explain(ExplainerInput(each, pictures(3), targets, np.arange(3)), [(key, None)])[0].maps
            for each in (classifier, randomised(classifier, 1))
        ]
        assert not np.allclose(maps[0], maps[1], equal_nan=True)
