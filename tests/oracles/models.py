"""Small models with the habits that break explainers: reuse, `+=`, in-place, function calls, BatchNorm, tokens."""

from __future__ import annotations

import copy
import itertools
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.models.wrappers import placed


class Plain(nn.Module):
    """Convolutions, pooling, two linear layers; modules only."""

    def __init__(self, channels: int = 3, classes: int = 5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class Block(nn.Module):
    """A residual block that uses one ReLU twice and adds in place."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += self.short(x)
        return self.relu(out)


class Residual(nn.Module):
    """BatchNorm, two residual blocks, a mean as a function call."""

    def __init__(self, channels: int = 3, classes: int = 5) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(channels, 24, 3, padding=1), nn.BatchNorm2d(24)
        self.block1, self.block2 = Block(24, 24), Block(24, 32)
        self.head = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = nn.functional.max_pool2d(self.block1(x), 2)
        return self.head(self.block2(x).mean((2, 3)))


class Tokens(nn.Module):
    """A vision transformer in small: patches, class token, positions, attention."""

    def __init__(self, channels: int = 3, classes: int = 5, height: int = 16, width: int = 12) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, 8, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.positions = nn.Parameter(0.02 * torch.randn(1, height * width // 16 + 1, 8))
        self.first, self.norm = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], 1) + self.positions
        seen = self.first(tokens)
        tokens = tokens + self.attention(seen, seen, seen, need_weights=False)[0]
        return self.head(self.norm(tokens)[:, 0])


class LinearModel(nn.Module):
    """Logits are a linear function of the pixels: every attribution is known."""

    def __init__(self, channels: int, height: int, width: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels * height * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.flatten(1))


SHAPE = (3, 16, 12)
CLASSES = 5
UNNAMED = itertools.count()
"""An id would come back with another module, and with it what is kept for the first."""
LAYERS = {Plain: "features", Residual: "block2", Tokens: "first"}


def grid(tokens: Tensor) -> Tensor:
    """Tokens of `Tokens` at SHAPE, without the class token."""
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, SHAPE[1] // 4, SHAPE[2] // 4)


def wrap(module: nn.Module, layer: str = "", *, shape: tuple[int, int, int] = SHAPE, name: str = "") -> Classifier:
    """A classifier around any module; `name` is its fingerprint, by default one of its own."""
    channels, height, width = shape
    preprocess = Preprocess(height, width, channels, (0.5,) * channels, (0.25,) * channels)
    names = tuple(f"class {index}" for index in range(CLASSES))
    restore = grid if isinstance(module, Tokens) else None
    return Classifier(
        placed(module, "cpu"), names, preprocess, "test", layer, name or f"unnamed-{next(UNNAMED)}", restore
    )


def model(kind: type[nn.Module], seed: int = 0) -> Classifier:
    """A seeded classifier of one kind, with BatchNorm statistics as after training, and a module of its own."""
    name = kind.__name__
    return wrap(copy.deepcopy(_prepared(name, seed)), LAYERS[kind], name=f"{name}-{seed}")


@cache
def _prepared(name: str, seed: int) -> nn.Module:
    kind = next(each for each in LAYERS if each.__name__ == name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = kind().train()
        with torch.no_grad():
            for _ in range(20):
                module(torch.randn(16, *SHAPE))
            for part in module.modules():
                if isinstance(part, nn.Linear):
                    # As after training: logits that tower over biases.
                    part.weight.mul_(2)
                    part.bias.mul_(0.05)
    return module


def pictures(count: int, seed: int = 1, shape: tuple[int, int, int] = SHAPE) -> Tensor:
    """Seeded noise as model input."""
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def one_dead_row() -> tuple[Classifier, Tensor]:
    """A model and four pictures; the second is black, which switches off the whole hidden layer of the head."""
    classifier, x = model(Plain), pictures(4)
    x[1] = 0
    net: Any = classifier.module
    with torch.no_grad():
        for part in (net.features[0], net.features[3]):
            part.bias.zero_()
        net.head[3].bias.fill_(-0.01)
    return classifier, x
