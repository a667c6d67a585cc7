"""Residual nets of torchvision."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn

PAPER = "He, Zhang, Ren, Sun 2016, Deep Residual Learning for Image Recognition"


def _build(spec: ModelSpec, *, name: str) -> nn.Module:
    return torchvision_net(name, spec.channels, num_classes=spec.classes)


def _add(name: str, title: str, summary: str, blind_spot: str, cost: float) -> Architecture:
    return ARCHITECTURES.add(
        Architecture(
            card=Card(key=name, title=title, summary=summary, blind_spot=blind_spot, paper=PAPER, cost=cost),
            build=partial(_build, name=name),
            cam_layer="layer4",
            head="fc",
            size=224,
            sizes=(32, 1024),
        )
    )


RESNET18 = _add(
    "resnet18",
    "ResNet-18",
    "Eight residual blocks (11.7 M parameters); torchvision's.",
    "Its maps have a 32nd of the input's side: 7×7 at 224 pixels.",
    cost=1.8,
)
RESNET50 = _add(
    "resnet50",
    "ResNet-50",
    "Sixteen bottleneck blocks (25.6 M parameters); torchvision's.",
    "Its maps have a 32nd of the input's side; slow to train on a CPU.",
    cost=4.1,
)
