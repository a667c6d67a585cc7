"""VGG nets of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(classes: int, channels: int, size: int) -> nn.Module:  # noqa: ARG001  (any size fits)
    return torchvision_net("vgg16", channels, num_classes=classes)


VGG16 = ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="vgg16",
            title="VGG-16",
            summary="Thirteen convolutions and three linear layers (138 M parameters); torchvision's.",
            blind_spot="Large and slow; its linear layers pool to 7×7 first, so small inputs are stretched.",
            paper="Simonyan, Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition",
            cost=15.5,
        ),
        build=_build,
        cam_layer="features.29",
        head="classifier.6",
        size=224,
        sizes=(32, 1024),
    )
)
