"""ConvNeXt of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(classes: int, channels: int, size: int) -> nn.Module:  # noqa: ARG001  (any size fits)
    return torchvision_net("convnext_tiny", channels, num_classes=classes)


CONVNEXT_TINY = ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="convnext_tiny",
            title="ConvNeXt-Tiny",
            summary="Wide depthwise convolutions and layer norm (28.6 M parameters); torchvision's.",
            blind_spot="Its head normalises the pooled channels: class activation maps are true to first order only.",
            paper="Liu et al. 2022, A ConvNet for the 2020s",
            cost=4.5,
        ),
        build=_build,
        cam_layer="features.7",
        head="classifier.2",
        size=224,
        sizes=(32, 1024),
    )
)
