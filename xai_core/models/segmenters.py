"""Segmenters: torchvision's, answering with one tensor, and two U-nets that learn on a CPU.

All map `(N, C, H, W)` to logits `(N, K, H, W)` at the input's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from xai_core.models.nets import conv_and_norm
from xai_core.models.wrappers import resized


class OneOutput(nn.Module):
    """A segmenter of torchvision with its names of layers and weights, which answers with its `out` alone.

    The backbone gives a dict of features. torchvision's heads for DeepLab and FCN get its `out`, that of LR-ASPP gets
    all of it (`whole`).
    """

    def __init__(self, backbone: nn.Module, classifier: nn.Module, *, whole: bool = False) -> None:
        super().__init__()
        self.backbone, self.classifier, self.whole = backbone, classifier, whole

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` → `(N, K, H, W)`."""
        features: Any = self.backbone(x)
        return resized(self.classifier(features if self.whole else features["out"]), x.shape[-2:])


class OnFeatures(nn.Module):
    """A segmenter of a network's features `(N, D, h, w)` and a head that makes logits of them."""

    def __init__(self, backbone: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.backbone, self.classifier = backbone, classifier

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` → `(N, K, H, W)`."""
        return resized(self.classifier(self.backbone(x)), x.shape[-2:])


def dilated(features: nn.Sequential) -> nn.Sequential:
    """MobileNetV2's features, the same weights, with a grid of a 16th of the picture's side instead of a 32nd.

    The last convolution that halves the grid no longer does, and those behind it look twice as far instead: each place
    still sees what it saw (Chen et al. 2017, Rethinking Atrous Convolution, section 3.1).
    """
    wide = [part for part in features.modules() if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3)]
    last = max(at for at, part in enumerate(wide) if part.stride == (2, 2))
    wide[last].stride = (1, 1)
    for part in wide[last + 1 :]:
        part.dilation = part.padding = (2, 2)
    return features


class SmallUnet(nn.Module):
    """A U-net of 16, 32, 64 and 128 channels (0.4 M parameters).

    `bottom` gives `(N, 128, h, w)`, an eighth of the input's side, rounded up; `last` the features that the head makes
    logits of, `(N, 16, H, W)`. Halving rounds up and each step back goes to the very size of what lies beside it, so
    that any size works and no border is lost. Features are resized, not convolved upwards: transposed convolutions
    draw a checkerboard (Odena, Dumoulin, Olah 2016, Deconvolution and Checkerboard Artifacts).
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.down1 = _double(channels, 16)
        self.down2 = _double(16, 32)
        self.down3 = _double(32, 64)
        self.bottom = _double(64, 128)
        self.halve = nn.MaxPool2d(2, ceil_mode=True)
        self.up3 = _single(128 + 64, 64)
        self.up2 = _single(64 + 32, 32)
        self.last = _single(32 + 16, 16)
        self.head = nn.Conv2d(16, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` → `(N, K, H, W)`."""
        first = self.down1(x)
        second = self.down2(self.halve(first))
        third = self.down3(self.halve(second))
        below = self.bottom(self.halve(third))
        for block, beside in ((self.up3, third), (self.up2, second), (self.last, first)):
            below = block(torch.cat([resized(below, beside.shape[-2:]), beside], 1))
        return self.head(below)


class UnetOnFeatures(nn.Module):
    """A U-net whose way down is a classifier's network, a sequence of blocks of which `beside`, counted from 0, give
    the features that the way up takes along: `wide` channels each, then those of the last block.

    `decoder.last` gives `(N, 16, h, w)`, which the head makes logits of, on the grid of the first block taken along:
    of MobileNetV2 half of the input's side.
    """

    def __init__(self, backbone: nn.Sequential, beside: Sequence[int], wide: Sequence[int], classes: int) -> None:
        super().__init__()
        self.backbone, self.beside = backbone, tuple(beside)
        self.decoder = Decoder(wide, classes)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` → `(N, K, H, W)`."""
        features, along = x, []
        for at, block in enumerate(self.backbone):
            features = block(features)
            if at in self.beside:
                along.append(features)
        return resized(self.decoder(features, along), x.shape[-2:])


class Decoder(nn.Module):
    """A U-net's way up: from the coarsest features, at each step beside those of the way down."""

    def __init__(self, wide: Sequence[int], classes: int) -> None:
        super().__init__()
        *along, below = wide
        steps = []
        for beside in reversed(along):
            steps.append(_single(below + beside, max(beside, 16)))
            below = max(beside, 16)
        *coarse, self.last = steps
        self.coarse = nn.ModuleList(coarse)
        self.head = nn.Conv2d(below, classes, 1)

    def forward(self, below: Tensor, along: Sequence[Tensor]) -> Tensor:
        """Features of the coarsest grid and, the finest first, those taken along → `(N, K, h, w)` on the finest."""
        for block, beside in zip((*self.coarse, self.last), reversed(along), strict=True):
            below = block(torch.cat([resized(below, beside.shape[-2:]), beside], 1))
        return self.head(below)


def _double(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(*_single(before, after), *_single(after, after))


def _single(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(*conv_and_norm(before, after), nn.ReLU())
