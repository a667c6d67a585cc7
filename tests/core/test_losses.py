"""Training losses: cross-entropy against the formula written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.core.training_contracts import check_loss, frozen, loss_input, seeded, small_model, some
from tests.how_to import example
from xai_core.errors import BadParameter
from xai_core.params import build
from xai_core.task import CLASSIFICATION
from xai_core.training.losses import LOSSES, Loss, LossInput
from xai_core.training.losses.base import cross_entropy
from xai_core.training.model import TrainingModel

OF_PICTURES = [member for member in LOSSES if CLASSIFICATION in member.tasks]


def batch(logits: torch.Tensor, labels: list[int], weights: list[float] | None = None) -> LossInput:
    targets = nn.functional.one_hot(torch.tensor(labels), logits.shape[1]).float()
    model = TrainingModel(nn.Identity(), "")
    return LossInput(model, logits, targets, None if weights is None else torch.tensor(weights))


def compute(given: LossInput, **values: float) -> tuple[torch.Tensor, torch.Tensor]:
    member = LOSSES["cross_entropy"]
    output = member.compute(given, build(member.params, values))
    return output.value, output.logits


def test_cross_entropy_is_the_negative_log_probability() -> None:
    logits = torch.tensor([[0.0, math.log(3)], [math.log(4), 0.0]])
    value, out = compute(batch(logits, [1, 1]))
    assert value.item() == pytest.approx((-math.log(3 / 4) - math.log(1 / 5)) / 2)
    assert torch.equal(out, logits)


def test_class_weights_weigh_the_mean() -> None:
    logits = torch.tensor([[0.0, math.log(3)], [math.log(4), 0.0]])
    value, _ = compute(batch(logits, [1, 0], [0.5, 1.5]))
    assert value.item() == pytest.approx((-1.5 * math.log(3 / 4) - 0.5 * math.log(4 / 5)) / 2)


def test_label_smoothing_spreads_probability_evenly() -> None:
    logits = torch.tensor([[0.0, math.log(3)]])
    value, _ = compute(batch(logits, [1]), label_smoothing=0.2)
    assert value.item() == pytest.approx(-0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4))
    with pytest.raises(BadParameter):
        compute(batch(logits, [1]), label_smoothing=1.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 1.8])])
def test_with_whole_classes_it_is_torchs_to_the_bit_and_with_mixed_ones_the_mean_of_both(
    smoothing: float, weights: torch.Tensor | None
) -> None:
    logits = torch.randn(16, 3, generator=seeded(1)) * 3
    labels = torch.randint(3, (2, 16), generator=seeded(2))
    one, other = nn.functional.one_hot(labels, 3).float()
    torchs = nn.functional.cross_entropy(logits, labels[0], weights, label_smoothing=smoothing)
    assert torch.equal(cross_entropy(logits, one, weights, smoothing=smoothing), torchs)
    nearly = cross_entropy(logits, 0.999999 * one + 1e-6 * other, weights, smoothing=smoothing)
    torch.testing.assert_close(nearly, torchs, rtol=1e-4, atol=1e-4)
    if weights is None:
        target = 0.25 * one + 0.75 * other
        torchs = nn.functional.cross_entropy(logits, target, label_smoothing=smoothing)
        torch.testing.assert_close(cross_entropy(logits, target, smoothing=smoothing), torchs)


@pytest.mark.parametrize("member", OF_PICTURES, ids=lambda member: member.card.key)
def test_contract(member: Loss) -> None:
    check_loss(member)


def test_the_example_of_the_how_to_keeps_the_contract(tmp_path: Path) -> None:
    with example("add-a-loss", LOSSES, tmp_path) as member:
        check_loss(member)
        given = loss_input(some())
        plain, poly = (member.compute(given, build(member.params, {"epsilon": epsilon})) for epsilon in (0.0, 1.0))
        torch.testing.assert_close(plain.value, cross_entropy(plain.logits, given.targets))
        assert poly.value > plain.value


@pytest.mark.parametrize("make", [small_model, frozen])
def test_the_cam_layer_comes_with_a_gradient_also_while_the_head_alone_is_trained(
    make: Callable[[], TrainingModel],
) -> None:
    """Behind the layer are a ReLU in place, a mean over places and a linear head: the gradient can be written down."""
    model, x = make(), some().x
    logits, activations = model.with_activations(x)
    torch.testing.assert_close(logits, model(x))
    torch.testing.assert_close(activations, model.module.features(x))
    (found,) = torch.autograd.grad(logits[:, 1].sum(), activations, create_graph=True)
    places = activations.shape[2] * activations.shape[3]
    expected = model.module.head.weight[1][:, None, None] * (activations > 0) / places
    torch.testing.assert_close(found, expected)
    (found * activations).square().sum().backward()  # twice through the head
    assert model.module.head.weight.grad.any()
    assert (model.module.features.weight.grad is None) == (make is frozen)
    assert not model.module.features._forward_hooks
    tokens = replace(model, restore_grid=lambda output: output.flatten(2).transpose(1, 2)[:, None])
    assert tokens.grid(activations).shape == (8, 1, places, 4)
