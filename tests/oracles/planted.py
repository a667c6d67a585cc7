"""A drawn scene and a segmenter written by hand whose reasons are known: an object, its context, and something else.

The red square is the object. The green one beside it is context: it raises the object's class at every place within
REACH of it, those of the object among them. The blue one is of another class, and no reason for the first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.oracles.models import wrap
from xai_core.explainers import ExplainerInput
from xai_core.models.classifier import Classifier
from xai_core.types import Target

SIDE = 24
OBJECT, CONTEXT, OTHER = (slice(4, 9), slice(4, 9)), (slice(4, 9), slice(11, 16)), (slice(18, 23), slice(17, 22))
REACH = 8
THING, ELSE = 1, 2
"""The classes; 0 is the background."""


class Scene(nn.Module):
    """`(N, 3, 24, 24) -> (N, 3, 24, 24)`. `layer` holds the three colours, `near` a mean around each place."""

    def __init__(self, context: float) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
        self.near = nn.AvgPool2d(2 * REACH + 1, 1, REACH, count_include_pad=True)
        self.head, self.beside = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.layer[0].weight.copy_(torch.eye(3)[:, :, None, None])  # type: ignore[operator]
            self.head.weight.zero_()
            self.head.weight[THING, 0], self.head.weight[ELSE, 2] = 1, 1
            self.beside.weight.zero_()
            self.beside.weight[THING, 1] = context

    def forward(self, x: Tensor) -> Tensor:
        colours = self.layer(x)
        return self.head(colours) + self.beside(self.near(colours))


@dataclass(frozen=True)
class Planted:
    """The scene.

    Attributes:
        given: asks for the object's class within the object, and for the other class within the other square.
        amounts: `(2, 3)`, what the object, its context and the other add to each of the two scores. Exact: the picture
            is never negative, so the net is linear in it, and black adds nothing.
    """

    given: ExplainerInput
    amounts: np.ndarray


def planted(context: float = 6.0) -> Planted:
    """The scene with a context that weighs this much."""
    x = torch.zeros(1, 3, SIDE, SIDE)
    for channel, (rows, columns) in enumerate((OBJECT, CONTEXT, OTHER)):
        x[0, channel, rows, columns] = 1
    regions = torch.zeros(2, SIDE, SIDE)
    regions[0][OBJECT], regions[1][OTHER] = 1, 1
    classifier: Classifier = replace(
        wrap(Scene(context), "layer", shape=(3, SIDE, SIDE)), class_names=("background", "thing", "else")
    )
    classifier = replace(classifier, output_size=(SIDE, SIDE))
    near = F.avg_pool2d(x[:, 1:2], 2 * REACH + 1, 1, REACH)[0, 0]
    amounts = np.array([[25.0, context * float(near[OBJECT].sum()), 0.0], [0.0, 0.0, 25.0]])
    given = ExplainerInput(
        classifier, x.repeat(2, 1, 1, 1), [Target(THING), Target(ELSE)], np.arange(2), regions,
        background=torch.zeros(2, 3, SIDE, SIDE),
    )  # fmt: skip
    return Planted(given, amounts)


def held(maps: np.ndarray) -> np.ndarray:
    """`(N, 3)`: what maps `(N, H, W)` give to the object, its context and the other."""
    return np.stack([maps[:, rows, columns].sum((1, 2)) for rows, columns in (OBJECT, CONTEXT, OTHER)], 1)
