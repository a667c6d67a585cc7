"""Models, pictures with a masked square and gradients, which the tests of guided losses share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.core.training_contracts import seeded, some
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.architectures.base import ModelSpec
from xai_core.params import build
from xai_core.training.batch import Batch
from xai_core.training.losses import LOSSES, LossInput, LossOutput
from xai_core.training.model import TrainingModel

GUIDED = ("so", "energy", "rrr")


def compute(key: str, given: LossInput, **values: object) -> LossOutput:
    member = LOSSES[key]
    return member.compute(given, build(member.params, values))


def model_of(name: str, size: int = 32, channels: int = 3) -> TrainingModel:
    """With weights that are nowhere zero: torchvision begins the head of a transformer with zeros."""
    member = ARCHITECTURES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = member.build(ModelSpec(3, channels, size))
        nn.init.normal_(module.get_submodule(member.head).weight, std=0.1)
    return TrainingModel(module, member.cam_layer, member.restore_grid)


def square(size: int = 32, count: int = 4) -> Batch:
    batch = some(count)
    masks = torch.zeros(count, size, size, dtype=torch.bool)
    masks[:, size // 8 : size // 2, size // 4 : size * 3 // 4] = True
    masks &= batch.has_mask[:, None, None]
    masks[1] = False
    return Batch(torch.rand(count, 3, size, size, generator=seeded(4)), batch.targets, masks, batch.has_mask)


def gradients(output: LossOutput, model: TrainingModel) -> list[Tensor]:
    return list(
        torch.autograd.grad(output.value, list(model.module.parameters()), allow_unused=True, retain_graph=True)
    )


def same_gradients(one: list[Tensor], other: list[Tensor], **close: float) -> None:
    for a, b in zip(one, other, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, **close)
