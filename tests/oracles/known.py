"""Nets whose answer is known: two patches a picture, one that speaks for a class and one that speaks against it.

Which is which is told by covering a patch and asking the net again. Some are written by hand, so that every number can
be followed; others are trained here, in a second or two each, on a task that no net can solve but by comparing the two
patches: class 0 where the red one is the stronger, class 1 where the green one is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess

SIDE = 10
PATCH = 3
BLACK = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Known:
    """A net and pictures of which the answer is known.

    Attributes:
        classifier: of two classes; black is 0 in its input.
        x: `(N, 3, H, W)`.
        patches: `(N, 2, H, W)` bool, where the two patches are.
        targets: the class that each picture is asked about.
    """

    classifier: Classifier
    x: Tensor
    patches: Tensor
    targets: list[int]

    def effects(self) -> NDArray[np.float64]:
        """`(N, 2)`: by how much the class's logit sinks when a patch is painted black."""
        wanted = torch.tensor(self.targets)[:, None]

        def logit(x: Tensor) -> Tensor:
            with torch.no_grad():
                return self.classifier.logits(x).gather(1, wanted)[:, 0]

        covered = [logit(torch.where(self.patches[:, i, None], 0.0, self.x)) for i in range(2)]
        return torch.stack([logit(self.x) - found for found in covered], 1).double().numpy()


def _known(name: str, module: nn.Module, x: Tensor, patches: Tensor, targets: list[int], layer: str = "") -> Known:
    channels, height, width = x.shape[1:]
    preprocess = Preprocess(height, width, channels, BLACK[:channels], (1.0,) * channels)
    return Known(Classifier(module.eval(), ("a", "b"), preprocess, "test", layer, name), x, patches, targets)


# Written by hand: the left half is 3 red and 1 green, the right half 1 red and 2 green.


class Scores(nn.Module):
    """Red minus green at each place, and what `tail` makes of these scores."""

    def __init__(self, tail: nn.Module) -> None:
        super().__init__()
        self.stem, self.scores, self.tail = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 2, 1, bias=False), tail
        with torch.no_grad():
            self.stem.weight.copy_(torch.eye(3)[:, :, None, None])
            self.scores.weight.copy_(torch.tensor([[1.0, -1, 0], [-1, 1, 0]])[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.scores(F.relu(self.stem(x))))


class Branches(nn.Module):
    """Two signed branches, summed before a rectifier or not at all rectified."""

    def __init__(self, rectified: bool) -> None:
        super().__init__()
        self.one, self.two = Scores(nn.Identity()), Scores(nn.Identity())
        self.rectified, self.head = rectified, nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.two.scores.weight.mul_(0.5)
            self.head.weight.copy_(torch.tensor([[1.0, -1], [-1, 1]]))

    def forward(self, x: Tensor) -> Tensor:
        both = self.one(x) + self.two(x)
        return self.head((F.relu(both) if self.rectified else both).mean((2, 3)))


class Difference(nn.Module):
    """The mean scores of the left half less the mean turned scores of the right, by calls in the model's code."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = Scores(nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        found = self.scores(x)
        left, right = found[..., :2].sum((2, 3)), -found[..., 2:].sum((2, 3))
        return (left - right) / (x.shape[2] * x.shape[3])


class Halves(nn.Module):
    """One linear head for each half, summed: +8 on the left, −6.4 on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 1, 1, bias=False)
        self.left, self.right = nn.Linear(8, 2, bias=False), nn.Linear(8, 2, bias=False)
        with torch.no_grad():
            self.stem.weight.fill_(1 / 3)
            self.left.weight.copy_(torch.tensor([[1.0] * 8, [-1.0] * 8]))
            self.right.weight.copy_(torch.tensor([[-0.8] * 8, [0.8] * 8]))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.stem(x))
        return self.left(y[..., :2].flatten(1)) + self.right(y[..., 2:].flatten(1))


class Turned(nn.Module):
    """BatchNorm over two convolutions beside each other, half of its scales negative: it cannot be folded into them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = Scores(nn.Identity()), Scores(nn.Identity())
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 2, bias=False)
        with torch.no_grad():
            self.norm.weight.copy_(torch.tensor([-1.0, -1, 1, 1]))
            self.head.weight.copy_(torch.tensor([[-1.0, 1, 1, -1], [1, -1, -1, 1]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.norm(torch.cat([self.one(x), self.two(x)], 1))).mean((2, 3)))


class Inverted(Scores):
    """Turns its input around and back before the first convolution, by arithmetic in its code."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(1 - (1 - x) * 0.5 * 2)


def _pooled(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _hidden() -> nn.Module:
    """A linear layer, a rectifier and a linear layer, which together change nothing for scores that differ."""
    first, last = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.eye(2))
        last.weight.copy_(torch.tensor([[1.0, -1], [-1, 1]]))
    return nn.Sequential(_pooled(), first, nn.ReLU(), last)


def _shifted_norm() -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(2)
    with torch.no_grad():
        norm.running_mean.fill_(0.2)
        norm.running_var.fill_(0.5)
    return norm


BY_HAND: dict[str, Callable[[], nn.Module]] = {
    "scores averaged": lambda: Scores(_pooled()),
    "averaged, then linear": lambda: Scores(
        nn.Sequential(_pooled(), nn.Linear(2, 2, bias=False).requires_grad_(False))
    ),
    "averaged, then a hidden layer": lambda: Scores(_hidden()),
    "ELU, averaged": lambda: Scores(_pooled(nn.ELU())),
    "leaky, averaged": lambda: Scores(_pooled(nn.LeakyReLU(0.1))),
    "BatchNorm, averaged": lambda: Scores(_pooled(_shifted_norm())),
    "pooled in windows, averaged": lambda: Scores(_pooled(nn.AvgPool2d(2))),
    "branches": lambda: Branches(rectified=False),
    "branches, rectified": lambda: Branches(rectified=True),
    "two heads": Halves,
    "difference": Difference,
    "BatchNorm turned": Turned,
    "arithmetic": lambda: Inverted(_pooled()),
}


def by_hand(name: str) -> Known:
    """The left half speaks for class a, the right half, more weakly, against it."""
    x = torch.zeros(1, 3, 4, 4)
    x[:, 0, :, :2], x[:, 1, :, :2], x[:, 0, :, 2:], x[:, 1, :, 2:] = 3, 1, 1, 2
    patches = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    patches[:, 0, :, :2] = patches[:, 1, :, 2:] = True
    module = BY_HAND[name]()
    if name == "averaged, then linear":
        nn.init.eye_(module.tail[1].weight)
    if name == "two heads":
        x = torch.ones_like(x)
    return _known(f"by hand, {name}", module, x, patches, [0], "stem")


# Trained here.


def _conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


class Around(nn.Module):
    """A connection around `inner`, and `after` the sum."""

    def __init__(self, inner: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.inner, self.after = inner, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(x + self.inner(x))


def _norm(channels: int = 8) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


def _narrow() -> nn.Module:
    """A linear bottleneck, as MobileNetV2 has."""
    wide = _conv(8, 16, 1), nn.BatchNorm2d(16), nn.ReLU6()
    return nn.Sequential(*wide, _conv(16, 8), nn.BatchNorm2d(8))


HEAD = nn.AdaptiveAvgPool2d(1), nn.Flatten()
TRAINED: dict[str, Callable[[], nn.Module]] = {
    "rectified": lambda: nn.Sequential(_conv(3, 8), nn.ReLU(), _conv(8, 8), nn.ReLU(), *HEAD, nn.Linear(8, 2)),
    "scores averaged": lambda: nn.Sequential(_conv(3, 8), nn.ReLU(), _conv(8, 8), nn.ReLU(), _conv(8, 2, 1), *HEAD),
    "BatchNorm averaged": lambda: nn.Sequential(
        *(_conv(3, 8), _norm(), _conv(8, 8), nn.BatchNorm2d(8), *HEAD, nn.Linear(8, 2))
    ),
    "sum, rectifier, BatchNorm": lambda: nn.Sequential(
        *(_conv(3, 8), nn.ReLU(), Around(_conv(8, 8), nn.ReLU()), nn.BatchNorm2d(8), *HEAD, nn.Linear(8, 2))
    ),
    "ELU": lambda: nn.Sequential(_conv(3, 8), nn.ELU(), _conv(8, 8), nn.ELU(), *HEAD, nn.Linear(8, 2)),
    "signed averages inside": lambda: nn.Sequential(
        *(_conv(3, 8), nn.AvgPool2d(2), nn.ReLU(), _conv(8, 8), *HEAD, nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    ),
    "open sums": lambda: nn.Sequential(
        *(_conv(3, 8), Around(nn.Sequential(_norm(), _conv(8, 8)), nn.Identity()), _norm(), *HEAD, nn.Linear(8, 2))
    ),
    "linear bottleneck": lambda: nn.Sequential(
        *(_conv(3, 8), _norm(), Around(_narrow(), nn.Identity()), _conv(8, 8, 1), nn.ReLU(), *HEAD, nn.Linear(8, 2))
    ),
}
LAST = {
    "rectified": "3",
    "scores averaged": "3",
    "BatchNorm averaged": "1",
    "sum, rectifier, BatchNorm": "2",
    "ELU": "3",
}
LAST |= {"signed averages inside": "2", "open sums": "2", "linear bottleneck": "4"}
"""The last layer that holds a rectified grid."""
STEPS, BATCH, RATE = 300, 32, 0.02


@cache
def trained(name: str) -> Known:
    """Pictures that the net takes for what they are, each asked about its own class."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = TRAINED[name]()
    generator = torch.Generator().manual_seed(0)
    x, labels, _ = _task(1024, generator)
    steps = torch.optim.Adam(module.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(steps, RATE, STEPS)
    with torch.enable_grad():
        for _ in range(STEPS):
            rows = torch.randint(0, len(x), (BATCH,), generator=generator)
            steps.zero_grad()
            F.cross_entropy(module(x[rows]), labels[rows]).backward()
            steps.step()
            schedule.step()
    x, labels, patches = _task(64, generator)
    with torch.no_grad():
        right = module.eval()(x).argmax(1) == labels
    return _known(f"trained, {name}", module, x[right], patches[right], labels[right].tolist(), LAST[name])


def _task(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, labels, patches: a red and a green patch, one in each half; class 1 where the green is the stronger."""
    draw = torch.rand(count, 6, generator=generator)
    strength = 0.2 + 0.8 * draw[:, :2]
    places = torch.arange(SIDE)
    patches = torch.zeros(count, 2, SIDE, SIDE, dtype=torch.bool)
    for colour in range(2):
        half = (draw[:, 2] > 0.5) == bool(colour)
        top = (draw[:, 3 + colour] * (SIDE - PATCH + 1)).long()
        left = torch.where(half, 5, 0) + (draw[:, 5] * (SIDE // 2 - PATCH + 1)).long()
        rows = (places >= top[:, None]) & (places < top[:, None] + PATCH)
        columns = (places >= left[:, None]) & (places < left[:, None] + PATCH)
        patches[:, colour] = rows[:, :, None] & columns[:, None, :]
    x = torch.zeros(count, 3, SIDE, SIDE)
    for colour in range(2):
        x[:, colour] = patches[:, colour] * strength[:, colour, None, None]
    x[:, 2] = 0.3 * x[:, :2].sum(1)
    return x, (strength[:, 1] > strength[:, 0]).long(), patches


# Written by hand as well: two questions of relevance propagation alone.


class Siamese(nn.Module):
    """One stem for both halves of the picture; nothing changes when they change places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.next, self.head = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 2)

    def half(self, x: Tensor) -> Tensor:
        return F.relu(self.next(F.relu(self.stem(x)))).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.half(x[..., :6]) + self.half(x[..., 6:]))


def siamese() -> tuple[Classifier, Tensor]:
    """The net and one picture of two halves."""
    return _seeded("siamese", Siamese, (1, 6, 12))


def wide() -> tuple[Classifier, Tensor]:
    """A first convolution that sees the whole picture at once."""
    return _seeded(
        "wide", lambda: nn.Sequential(nn.Conv2d(1, 4, 8), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)), (1, 8, 8)
    )


def _seeded(name: str, build: Callable[[], nn.Module], shape: tuple[int, int, int]) -> tuple[Classifier, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = build()
    for part in module.modules():
        if getattr(part, "bias", None) is not None:
            nn.init.zeros_(part.bias)
    x = torch.rand(1, *shape, generator=torch.Generator().manual_seed(2))
    known = _known(name, module, x, torch.zeros(1, 2, *shape[1:], dtype=torch.bool), [0])
    return known.classifier, x
