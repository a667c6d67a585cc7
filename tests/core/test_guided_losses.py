"""Losses that look at evidence: against slow writings of papers, by known answers, and where maps are next to none."""

from __future__ import annotations

import math
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
import torchvision
from torch import Tensor, nn

from tests.core.guided_cases import GUIDED, compute, gradients, model_of, same_gradients, square
from tests.core.training_contracts import loss_input, small_model
from xai_core.models.architectures import ARCHITECTURES
from xai_core.training import cams
from xai_core.training.cams import EVIDENCE, odd, on_grid, pooled_head
from xai_core.training.losses.base import cross_entropy
from xai_core.training.losses.so import cosine, pool, turned, turned_back
from xai_core.training.model import TrainingModel

POOLED = ("small_cnn", "small_resnet", "resnet18")
OTHERS = ("small_vit", "mobilenet_v2", "squeezenet1_1")


# The closed form


@pytest.mark.parametrize("name", POOLED)
def test_behind_a_mean_and_a_linear_layer_the_closed_form_has_the_gradients_of_double_backward(name: str) -> None:
    model = model_of(name, 64 if name == "resnet18" else 32)
    given = loss_input(square(64 if name == "resnet18" else 32), model)
    logits, activations = model.with_activations(given.x)
    assert pooled_head(logits, activations) is model.module.get_submodule(ARCHITECTURES[name].head).weight
    found = []
    for closed in (True, False):
        with patch.object(cams, "pooled_head", pooled_head if closed else lambda *_: None):
            output = compute("so", given, views=2)
            found.append((output.value, gradients(output, model)))
    torch.testing.assert_close(found[0][0], found[1][0])
    same_gradients(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", OTHERS)
def test_elsewhere_there_is_no_closed_form(name: str) -> None:
    """A norm, dropout or a convolution lies between; without a grid, the places are tokens."""
    model = model_of(name)
    assert pooled_head(*model.with_activations(square().x)) is None


class TwiceRectified(nn.Module):
    """Places that are zero get no gradient from the second rectifier, though no value changes."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).relu().mean((2, 3)))


def test_what_changes_gradients_but_no_value_is_seen() -> None:
    model = TrainingModel(TwiceRectified(), "features")
    assert pooled_head(*model.with_activations(square().x)) is None


def test_with_autocast_the_closed_form_is_found_and_near() -> None:
    model, batch = model_of("small_cnn"), square()
    with torch.autocast("cpu", torch.bfloat16):
        assert pooled_head(*model.with_activations(batch.x)) is not None
        output = compute("so", loss_input(batch, model))
    torch.testing.assert_close(output.value.float(), compute("so", loss_input(batch, model)).value, rtol=0.02, atol=0)
    assert all(each is None or each.isfinite().all() for each in gradients(output, model))


ARCHITECTURE_CASES = [(name, key) for name in ("small_resnet", "small_vit") for key in GUIDED]


@pytest.mark.parametrize(("name", "key"), [*ARCHITECTURE_CASES, ("mobilenet_v2", "so")])
def test_architectures_train_by_it(name: str, key: str) -> None:
    model = model_of(name)
    output = compute(key, loss_input(square(), model), **({"views": 2} if key == "so" else {}))
    found = gradients(output, model)
    assert all(each is None or each.isfinite().all() for each in found)
    assert sum(each is not None and bool(each.any()) for each in found) > len(found) // 2
    assert not any(parameter.grad is not None for parameter in model.module.parameters())
    assert all(parameter.requires_grad for parameter in model.module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("detached", [False, True])
def test_vit_b_16_trains_by_it(detached: bool) -> None:
    model, batch = model_of("vit_b_16", 64), square(64).take(torch.tensor([0, 0]))
    with torch.no_grad():
        model.module.heads.head.weight[1] = -model.module.heads.head.weight[0]  # evidence for one or the other
    targets = torch.eye(3)[:2]
    output = compute("so", loss_input(replace(batch, targets=targets), model), views=2, detached=detached)
    assert all(each is None or each.isfinite().all() for each in gradients(output, model))
    assert 0 < output.parts["overlap"] < 1


# Samples that have nothing to say of it


@pytest.mark.parametrize("key", GUIDED)
def test_without_an_object_there_is_cross_entropy_alone(key: str) -> None:
    model, batch = small_model(), square()
    none = replace(batch, masks=torch.zeros_like(batch.masks), has_mask=torch.tensor([True, False, True, False]))
    values = {"beta": 1.0} if key == "so" else {}
    output = compute(key, loss_input(none, model), **values)
    entropy = cross_entropy(output.logits, batch.targets)
    torch.testing.assert_close(output.value, entropy)
    assert list(output.parts) == ["cross_entropy"]
    same_gradients(gradients(output, model), gradients(replace(output, value=entropy), model))


@pytest.mark.parametrize("key", GUIDED)
def test_a_sample_without_a_mask_and_one_with_an_empty_mask_add_nothing_to_the_term(key: str) -> None:
    model, batch = small_model(), square()
    lone = batch.take(torch.tensor([0]))
    one, all_four = (compute(key, loss_input(each, model)) for each in (lone, batch.take(torch.tensor([0, 1, 3, 3]))))
    share = 0.5 if key == "so" else 1.0
    term, shared = (
        each.value - share * cross_entropy(each.logits, targets)
        for each, targets in ((one, lone.targets), (all_four, batch.targets[[0, 1, 3, 3]]))
    )
    torch.testing.assert_close(shared, term / 4)
    torch.testing.assert_close(list(one.parts.values())[1], list(all_four.parts.values())[1])


# Maps that are next to nothing


@pytest.mark.parametrize("key", ["so", "energy"])
@pytest.mark.parametrize("factor", [1e-2, 1e-4, 1e-8, 1e-30, 0.0])
def test_gradients_stay_small_where_maps_are_next_to_zero(key: str, factor: float) -> None:
    """The cosine of a map and a mask turns about as fast as the map is short: 2e5 was seen."""
    model = model_of("small_cnn")
    with torch.no_grad():
        model.module.head.weight *= factor
    found = gradients(compute(key, loss_input(square(), model)), model)
    largest = max(float(each.abs().max()) for each in found if each is not None)
    assert math.isfinite(largest)
    assert largest < 100


def test_cosine_of_known_maps() -> None:
    maps = torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]])
    masks = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]])
    torch.testing.assert_close(cosine(maps, masks), torch.tensor([0.6, 0.0, 0.5**0.5]), rtol=1e-4, atol=0)
    halved = cosine(torch.full((1, 2, 2), EVIDENCE / 4), torch.ones(1, 2, 2))
    torch.testing.assert_close(halved, torch.tensor([0.5**0.5])), "evidence of just so much counts 1/√2"


def test_views_are_the_eight_of_a_square_and_come_back() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4)
    seen = [turned(x, view) for view in range(8)]
    assert len({tuple(view.flatten().tolist()) for view in seen}) == 8
    assert torch.equal(seen[0], x)
    assert torch.equal(seen[1], x.flip(3))
    assert torch.equal(seen[3], x.rot90(2, (2, 3)))
    assert any(torch.equal(seen[view], x.rot90(1, (2, 3))) for view in range(4, 8))
    assert all(torch.equal(turned_back(view[:, 0], number), x[:, 0]) for number, view in enumerate(seen))


def test_views_are_pooled_between_their_mean_and_their_maximum() -> None:
    one, other = torch.tensor([[[0.0, 50.0]]]), torch.tensor([[[0.001, 10.0]]])
    torch.testing.assert_close(pool([one, other]), torch.tensor([[[0.0005, 50.0]]]), rtol=1e-3, atol=0)
    assert torch.equal(pool([one]), one)


def test_masks_are_blurred_as_torchvision_does_in_proportion_to_the_picture() -> None:
    masks = square(48).masks
    assert [odd(23 * side / 224) for side in (28, 64, 224, 448)] == [3, 7, 23, 45]
    blurred = torchvision.transforms.functional.gaussian_blur(masks[:, None].float(), 5)
    torch.testing.assert_close(on_grid(masks, 48, 48, blur=23), blurred[:, 0])
    assert torch.equal(on_grid(masks, 48, 48), masks.float())
    torch.testing.assert_close(on_grid(masks, 3, 3)[0, 0, 1], masks[0, :16, 16:32].float().mean())


def test_detached_views_give_the_same_value_another_gradient_and_keep_less() -> None:
    model = model_of("small_cnn")
    given = loss_input(square(), model)
    whole, detached = (compute("so", given, views=4, detached=detached) for detached in (False, True))
    torch.testing.assert_close(whole.value, detached.value)
    assert all(parameter.requires_grad for parameter in model.module.parameters())
    pairs = zip(gradients(whole, model), gradients(detached, model), strict=True)
    assert any(not torch.allclose(one, other, rtol=1e-2) for one, other in pairs)
    alone = [compute("so", given, views=1, detached=detached) for detached in (False, True)]
    same_gradients(*(gradients(each, model) for each in alone))


def test_views_leave_no_trace_in_running_statistics() -> None:
    one, other = model_of("small_cnn"), model_of("small_cnn")
    compute("so", loss_input(square(), one), views=8)
    other(square().x)
    for (name, mine), theirs in zip(one.module.named_buffers(), other.module.buffers(), strict=True):
        assert "num_batches" in name or torch.equal(mine, theirs), name
    assert {part.momentum for part in one.module.modules() if isinstance(part, nn.BatchNorm2d)} == {0.1}


def after_training(key: str, **values: object) -> float:
    """What a loss tells of its second part after twelve steps."""
    model, batch = model_of("small_cnn"), square()
    optimiser = torch.optim.Adam(model.module.parameters(), 1e-3)
    for _ in range(12):
        output = compute(key, loss_input(batch, model), **values)
        optimiser.zero_grad()
        output.value.backward()
        optimiser.step()
    return float(list(output.parts.values())[1].detach())


def test_training_by_it_moves_what_it_asks_for() -> None:
    assert after_training("so", views=2) > 0.8 > 0.7 > after_training("so", beta=1.0, views=1)
    assert after_training("energy") > 0.8 > 0.5 > after_training("energy", weight=0.0)
    assert after_training("rrr", weight=10.0) < 0.1 * after_training("rrr", weight=0.0)
