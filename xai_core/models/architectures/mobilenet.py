"""MobileNet of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(spec: ModelSpec) -> nn.Module:
    return torchvision_net("mobilenet_v2", spec.channels, num_classes=spec.classes)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="mobilenet_v2",
            title="MobileNetV2",
            summary="Inverted residual blocks (3.5 M parameters); torchvision's. Fine-tunes well on a CPU.",
            blind_spot="Its maps have a 32nd of the input's side: 7×7 at 224 pixels.",
            paper="Sandler et al. 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks",
            cost=0.3,
        ),
        build=_build,
        cam_layer="features.18",
        head="classifier.1",
        size=224,
        sizes=(32, 1024),
    )
)
