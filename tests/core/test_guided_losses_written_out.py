"""Losses that look at evidence, against slow writings of their papers, sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torchvision
from torch import Tensor, nn

from tests.core.guided_cases import compute, gradients, model_of, same_gradients, square
from tests.core.training_contracts import loss_input, small_model
from xai_core.training.cams import EVIDENCE
from xai_core.training.losses import LossInput
from xai_core.training.model import TrainingModel


def slow_cam(model: TrainingModel, x: Tensor, label: int) -> tuple[Tensor, Tensor]:
    """Of one picture, channel by channel."""
    logits, activations = model.with_activations(x[None])
    (by_layer,) = torch.autograd.grad(logits[0, label], activations, create_graph=True)
    found, by_layer = model.grid(activations)[0], model.grid(by_layer)[0]
    total = torch.zeros(found.shape[1:])
    for channel, gradient in zip(found, by_layer, strict=True):
        total = total + gradient.sum() / gradient.numel() * channel
    return logits[0], total.clamp(min=0)


def slow_view(x: Tensor, view: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The picture turned by quarters and flipped, and how a map of it is brought back."""
    quarters, flip = [(0, False), (0, True), (2, True), (2, False), (1, True), (3, False), (1, False), (3, True)][view]
    seen = torch.rot90(x, quarters, (1, 2))
    if flip:
        return seen.flip(2), lambda found: torch.rot90(found.flip(1), -quarters, (0, 1))
    return seen, lambda found: torch.rot90(found, -quarters, (0, 1))


def slow_overlap(given: LossInput, beta: float, views: int, blur: int) -> Tensor:
    total = torch.zeros(())
    for x, target, mask in zip(given.x, given.targets, given.masks, strict=True):
        label = int(target.argmax())
        maps = []
        for view in range(views):
            seen, back = slow_view(x, view)
            logits, found = slow_cam(given.model, seen, label)
            maps.append(back(found))
            if view == 0:
                total = total - beta * logits.log_softmax(0)[label]
        if not mask.any():
            continue
        top = [torch.exp(one) / sum(torch.exp(other) for other in maps) for one in maps]
        pooled = sum(share * one for share, one in zip(top, maps, strict=True))
        shown = mask[None].float()
        if blur:
            shown = torchvision.transforms.functional.gaussian_blur(shown, blur)
        shown = nn.functional.adaptive_avg_pool2d(shown, pooled.shape)[0]
        size = torch.sqrt((pooled**2).sum() + EVIDENCE**2 / pooled.numel()) * torch.sqrt((shown**2).sum())
        total = total + (1 - beta) * (1 - (pooled * shown).sum() / size)
    return total / len(given.x)


def slow_energy(given: LossInput, weight: float, at: str) -> Tensor:
    total = torch.zeros(())
    for x, target, mask in zip(given.x, given.targets, given.masks, strict=True):
        label = int(target.argmax())
        logits, found = slow_cam(given.model, x, label)
        if at == "input":
            logits, x = given.model.with_input(x[None])
            (by_pixel,) = torch.autograd.grad(logits[0, label], x, create_graph=True)
            logits, x, by_pixel = logits[0], x[0], by_pixel[0]
            found = sum(x[channel] * by_pixel[channel] for channel in range(len(x))).clamp(min=0)
        total = total - logits.log_softmax(0)[label]
        if mask.any():
            inside = nn.functional.adaptive_avg_pool2d(mask[None].float(), found.shape)[0]
            total = total + weight * (1 - (found * inside).sum() / (found.sum() + EVIDENCE))
    return total / len(given.x)


def slow_reasons(given: LossInput, weight: float) -> Tensor:
    total = torch.zeros(())
    for x, target, mask in zip(given.x, given.targets, given.masks, strict=True):
        logits, x = given.model.with_input(x[None])
        log_p = logits[0].log_softmax(0)
        (by_pixel,) = torch.autograd.grad(sum(log_p), x, create_graph=True)
        total = total - log_p[int(target.argmax())]
        if mask.any():
            total = total + weight * ((1 - mask.float()) * by_pixel[0]).square().sum()
    return total / len(given.x)


SLOW = [
    ("so", {"beta": 0.3, "views": views, "blur": blur}, slow_overlap)
    for views, blur in ((1, 0), (2, 0), (4, 5), (8, 3))
]


SLOW += [("energy", {"weight": 2.0, "at": at}, slow_energy) for at in ("cam_layer", "input")]


SLOW += [("rrr", {"weight": 3.0}, slow_reasons)]


CASES = [("small", *case) for case in SLOW]


CASES += [(name, *SLOW[which]) for name in ("small_cnn", "small_vit") for which in (1, 4, 6)]


@pytest.mark.parametrize(("name", "key", "values", "slow"), CASES)
def test_value_and_gradients_are_those_of_the_paper_written_out(
    name: str, key: str, values: dict[str, object], slow: Callable[..., Tensor]
) -> None:
    model = small_model() if name == "small" else model_of(name)
    model.module.eval()  # batch norm would tie the samples of a batch together
    given = loss_input(square(count=3), model)
    output = compute(key, given, **values | ({"blur": values["blur"] * 7} if values.get("blur") else {}))
    expected = slow(given, **values)
    torch.testing.assert_close(output.value, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(output.logits, model(given.x))
    mine, theirs = gradients(output, model), gradients(replace(output, value=expected), model)
    largest = max(float(each.abs().max()) for each in theirs if each is not None)
    same_gradients(mine, theirs, rtol=2e-3, atol=2e-5 * largest)
