"""SqueezeNet of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(spec: ModelSpec) -> nn.Module:
    return torchvision_net("squeezenet1_1", spec.channels, num_classes=spec.classes)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="squeezenet1_1",
            title="SqueezeNet 1.1",
            summary="Narrow and wide convolutions in turn (1.2 M parameters); torchvision's. Quick to fine-tune.",
            blind_spot="Less accurate than larger nets: 58 % on ImageNet.",
            paper="Iandola et al. 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters",
            cost=0.35,
        ),
        build=_build,
        cam_layer="features.12",
        head="classifier.1",
        size=224,
        sizes=(48, 1024),
    )
)
