"""EfficientNet of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(spec: ModelSpec) -> nn.Module:
    return torchvision_net("efficientnet_b0", spec.channels, num_classes=spec.classes)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="efficientnet_b0",
            title="EfficientNet-B0",
            summary="Inverted residual blocks whose channels are gated (5.3 M parameters); torchvision's.",
            blind_spot="Its activations may be negative: class activation maps weigh those as they do the others.",
            paper="Tan, Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
            cost=0.39,
        ),
        build=_build,
        cam_layer="features.8",
        head="classifier.1",
        size=224,
        sizes=(32, 1024),
    )
)
