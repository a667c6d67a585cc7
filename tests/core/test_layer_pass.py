"""The pass that class activation maps share: what it gives, what it refuses, how often it runs the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracles.models import Plain, Residual, Tokens, model, pictures, wrap
from xai_core.errors import NotApplicable, NotFound, XaiError
from xai_core.explainers.engine.layer_pass import activations, rounds
from xai_core.explainers.engine.output import weights_of
from xai_core.types import Target


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
