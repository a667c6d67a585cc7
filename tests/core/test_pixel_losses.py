"""Losses of segmenters against slow writings, with pixels to ignore."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from xai_core.label_maps import IGNORE
from xai_core.params import build
from xai_core.task import SEGMENTATION
from xai_core.training.losses import LOSSES
from xai_core.training.losses.base import LossInput
from xai_core.training.losses.dice import soft_dice
from xai_core.training.model import TrainingModel

MEMBERS = [member for member in LOSSES if SEGMENTATION in member.tasks]
WEIGHTS = torch.tensor([0.5, 1.0, 1.5, 1.0])


def drawn(seed: int) -> tuple[Tensor, Tensor]:
    """Logits `(2, 4, 5, 6)` and targets that never show class 3 and now and then are to be ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, 4, 5, 6, generator=generator)
    targets = torch.randint(0, 3, (2, 5, 6), generator=generator)
    return logits, torch.where(torch.rand(2, 5, 6, generator=generator) < 0.2, IGNORE, targets)


def value(key: str, logits: Tensor, targets: Tensor, weights: Tensor | None = None, **params: Any) -> Tensor:
    model, member = TrainingModel(nn.Identity(), ""), LOSSES[key]
    return member.compute(LossInput(model, logits, targets, weights), build(member.params, params)).value


def known(logits: Tensor, targets: Tensor) -> list[tuple[list[float], int]]:
    """The probabilities and the label of each pixel that has one."""
    p = logits.double().softmax(1)
    places = [(n, y, x) for n in range(2) for y in range(5) for x in range(6) if targets[n, y, x] != IGNORE]
    return [(p[n, :, y, x].tolist(), int(targets[n, y, x])) for n, y, x in places]


@settings(max_examples=20)
@given(st.integers(0, 2**31 - 1))
def test_dice_is_its_definition(seed: int) -> None:
    logits, targets = drawn(seed)
    pixels = known(logits, targets)
    parts = []
    for k in sorted({label for _, label in pixels}):
        hit = sum(p[k] for p, label in pixels if label == k)
        parts.append(2 * hit / (sum(p[k] for p, _ in pixels) + sum(label == k for _, label in pixels)))
    expected = 1 - sum(parts) / len(parts)
    assert float(soft_dice(logits, targets)) == pytest.approx(expected, abs=1e-5)
    entropy = functional.cross_entropy(logits, targets, WEIGHTS, ignore_index=IGNORE)
    both = value("dice_cross_entropy", logits, targets, WEIGHTS, weight=0.5)
    torch.testing.assert_close(both, entropy + 0.5 * soft_dice(logits, targets))


@settings(max_examples=20)
@given(st.integers(0, 2**31 - 1), st.sampled_from([0.0, 1.0, 2.5]))
def test_focal_is_its_definition_at_every_known_pixel(seed: int, gamma: float) -> None:
    logits, targets = drawn(seed)
    pixels = known(logits, targets)
    weights = [float(WEIGHTS[label]) for _, label in pixels]
    terms = [-((1 - p[label]) ** gamma) * math.log(p[label]) for p, label in pixels]
    expected = sum(w * term for w, term in zip(weights, terms, strict=True)) / sum(weights)
    assert float(value("focal", logits, targets, WEIGHTS, gamma=gamma)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.card.key)
def test_ignored_pixels_count_for_nothing_and_the_truth_costs_least(member: Any) -> None:
    logits, targets = drawn(3)
    key, ignored = member.card.key, (targets == IGNORE)[:, None]
    changed = torch.where(ignored, logits + 5 * torch.randn(logits.shape), logits)
    torch.testing.assert_close(value(key, logits, targets), value(key, changed, targets))
    logits.requires_grad_()
    value(key, logits, targets).backward()
    assert logits.grad is not None
    assert not logits.grad[ignored.expand_as(logits)].any()
    sure = 20 * functional.one_hot(targets.clamp(max=3), 4).movedim(-1, 1).float()
    assert value(key, sure, targets) < 1e-3
    nothing = value(key, logits, torch.full_like(targets, IGNORE))
    assert float(nothing.detach()) == 0
    nothing.backward()
    assert torch.isfinite(logits.grad).all()
