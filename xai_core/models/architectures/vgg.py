"""VGG nets of torchvision."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn

PAPER = "Simonyan, Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition"


def _build(spec: ModelSpec, *, name: str) -> nn.Module:
    return torchvision_net(name, spec.channels, num_classes=spec.classes)


def _add(name: str, title: str, summary: str, last_relu: int) -> Architecture:
    blind_spot = "Large and slow; its linear layers pool to 7×7 first, so small inputs are stretched."
    return ARCHITECTURES.add(
        Architecture(
            card=Card(key=name, title=title, summary=summary, blind_spot=blind_spot, paper=PAPER, cost=15.5),
            build=partial(_build, name=name),
            cam_layer=f"features.{last_relu}",
            head="classifier.6",
            size=224,
            sizes=(32, 1024),
        )
    )


VGG16 = _add(
    "vgg16",
    "VGG-16",
    "Thirteen convolutions and three linear layers (138 M parameters); torchvision's.",
    last_relu=29,
)
VGG16_BN = _add(
    "vgg16_bn",
    "VGG-16 with batch norm",
    "VGG-16 with a batch norm after each convolution (138 M parameters); torchvision's.",
    last_relu=42,
)
