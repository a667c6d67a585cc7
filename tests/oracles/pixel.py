"""What tests of pixel methods share: models whose gradient is known, and one way to run a method."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tests.oracles.models import CLASSES, SHAPE, LinearModel, pictures, wrap
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.models.classifier import Classifier
from xai_core.types import Explanation, Target

CLASSES_OF_ROWS = [0, 3, 1, 4]
TARGETS = [Target(index) for index in CLASSES_OF_ROWS]
SEEDS = np.arange(4)
BACKGROUND = pictures(6, seed=8)


def run(
    classifier: Classifier, key: str, params: object = None, x: Tensor | None = None, context: Tensor | None = None
) -> Explanation:
    x = pictures(4, shape=classifier.input_shape) if x is None else x
    (found,) = explain(
        ExplainerInput(classifier, x, TARGETS[: len(x)], SEEDS[: len(x)], background=context), [(key, params)]
    )
    return found


def linear() -> tuple[Classifier, Tensor]:
    """A linear model, and its weights for each row's class, `(4, C, H, W)`."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = LinearModel(*SHAPE, CLASSES)
    return wrap(module), module.linear.weight.detach().view(CLASSES, *SHAPE)[CLASSES_OF_ROWS]


class Quadratic(nn.Module):
    """Logit k is the sum over pixels of a_k x² / 2: its gradient is a_k x."""

    def __init__(self) -> None:
        super().__init__()
        weights = torch.randn(CLASSES, *SHAPE, generator=torch.Generator().manual_seed(4))
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        return (self.weights * x[:, None] ** 2).flatten(2).sum(2) / 2


def gradient(classifier: Classifier, x: Tensor) -> Tensor:
    """Of each row's own class, by autograd."""
    x = x.clone().requires_grad_()
    chosen = classifier.logits(x)[range(len(x)), CLASSES_OF_ROWS[: len(x)]]
    return torch.autograd.grad(chosen.sum(), x)[0]
