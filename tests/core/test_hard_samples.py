"""Losses of rare classes and of hard samples: known answers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tests.core.guided_cases import compute
from xai_core.training.losses import LossInput
from xai_core.training.losses.base import cross_entropy
from xai_core.training.model import TrainingModel


def logits_of(rows: list[list[float]], labels: list[int], **more: Tensor) -> LossInput:
    logits = torch.tensor(rows, requires_grad=True)
    targets = nn.functional.one_hot(torch.tensor(labels), logits.shape[1]).float()
    return LossInput(TrainingModel(nn.Identity(), ""), logits, targets, **more)


def test_focal_by_hand() -> None:
    given = logits_of([[0.0, math.log(3)], [math.log(4), 0.0]], [1, 1])
    expected = (-(0.25**2) * math.log(0.75) - 0.8**2 * math.log(0.2)) / 2
    assert compute("focal", given).value.item() == pytest.approx(expected, rel=1e-4)
    plain = compute("focal", given, gamma=0.0)
    torch.testing.assert_close(plain.value, cross_entropy(plain.logits, given.targets))
    weights = torch.tensor([0.5, 1.5])
    weighted = compute("focal", logits_of([[0.0, math.log(3)], [math.log(4), 0.0]], [1, 0], class_weights=weights))
    expected = (-1.5 * 0.25**2 * math.log(0.75) - 0.5 * 0.2**2 * math.log(0.8)) / 2
    assert weighted.value.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_gradient_where_a_sample_is_certain(gamma: float) -> None:
    given = logits_of([[200.0, 0.0], [0.0, 200.0]], [0, 0])
    compute("focal", given, gamma=gamma).value.backward()
    assert given.x.grad.isfinite().all()


def test_balanced_softmax_by_hand() -> None:
    shares = torch.tensor([0.9, 0.1, 0.0])
    given = logits_of([[0.0, 0.0, 0.0]], [1], class_shares=shares, class_weights=torch.tensor([0.1, 1.9, 0.0]))
    output = compute("balanced_softmax", given)
    assert output.value.item() == pytest.approx(-math.log(0.1), rel=1e-5)
    assert torch.equal(output.logits, given.x)
    output.value.backward()
    torch.testing.assert_close(given.x.grad, torch.tensor([[0.9, -0.9, 0.0]]))
    even = compute("balanced_softmax", logits_of([[0.0, 1.0]], [1]))
    torch.testing.assert_close(even.value, cross_entropy(even.logits, torch.tensor([[0.0, 1.0]])))
