"""The project's own small nets: quick on a CPU, 1 or 3 channels, 28 to 128 pixels.

Both end in global average pooling and one linear layer, so that class activation maps have a closed form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv_and_norm(before: int, after: int, stride: int = 1, side: int = 3) -> list[nn.Module]:
    """Convolution and batch norm; the bias is left to the norm."""
    return [
        nn.Conv2d(before, after, side, stride=stride, padding=side // 2, bias=False),
        nn.BatchNorm2d(after),
    ]


class SmallCnn(nn.Module):
    """Three convolutions of 32, 64 and 128 channels (94 k parameters); each halving doubles the channels.

    `(N, channels, H, W)` → logits `(N, classes)`. `features` gives `(N, 128, H/4, W/4)`.
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *conv_and_norm(channels, 32), nn.ReLU(), nn.MaxPool2d(2),
            *conv_and_norm(32, 64), nn.ReLU(), nn.MaxPool2d(2),
            *conv_and_norm(64, 128), nn.ReLU(),
        )  # fmt: skip
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` → `(N, K)`."""
        return self.head(torch.flatten(self.pool(self.features(x)), 1))


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut, added and rectified (He et al. 2016, figure 2).

    The shortcut is a 1×1 convolution where shape changes, else the input itself.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_and_norm(before, after, stride), nn.ReLU(), *conv_and_norm(after, after))
        changes = stride != 1 or before != after
        self.shortcut = nn.Sequential(*conv_and_norm(before, after, stride, side=1)) if changes else None
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """`(N, before, H, W)` → `(N, after, H/stride, W/stride)`."""
        beside = x if self.shortcut is None else self.shortcut(x)
        return self.relu(self.body(x) + beside)


class SmallResnet(nn.Module):
    """A stem and three residual blocks, 32-32-64-128 channels (0.3 M parameters).

    `(N, channels, H, W)` → logits `(N, classes)`. `block3` gives `(N, 128, h, w)`, a quarter of the input's side,
    or an eighth where the stem halves too (`stem_stride=2`, for pictures of 64 pixels and more).
    """

    def __init__(self, classes: int, channels: int, stem_stride: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_and_norm(channels, 32, stem_stride), nn.ReLU())
        self.block1 = Residual(32, 32, stride=1)
        self.block2 = Residual(32, 64, stride=2)
        self.block3 = Residual(64, 128, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` → `(N, K)`."""
        last = self.block3(self.block2(self.block1(self.stem(x))))
        return self.head(torch.flatten(self.pool(last), 1))
