"""Training losses: cross-entropy against the formula written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from xai_core.errors import BadParameter
from xai_core.params import build
from xai_core.training.losses import LOSSES, Loss
from xai_core.training.losses.base import LossInput


def batch(logits: torch.Tensor, labels: list[int], weights: list[float] | None = None) -> LossInput:
    return LossInput(nn.Identity(), logits, torch.tensor(labels), None if weights is None else torch.tensor(weights))


def compute(given: LossInput, **values: float) -> tuple[torch.Tensor, torch.Tensor]:
    member = LOSSES["cross_entropy"]
    return member.compute(given, build(member.params, values))


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


@pytest.mark.parametrize("member", list(LOSSES), ids=LOSSES.keys())
def test_cards(member: Loss) -> None:
    assert member.card.summary
    assert member.card.blind_spot
    build(member.params, {})
