"""ConvNeXt of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(spec: ModelSpec) -> nn.Module:
    return torchvision_net("convnext_tiny", spec.channels, num_classes=spec.classes)


ARCHITECTURES.add(
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
