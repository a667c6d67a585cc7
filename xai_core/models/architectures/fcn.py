"""The fully convolutional net of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import (
    ARCHITECTURES,
    BACKBONE_END,
    BEFORE_THE_HEAD,
    Architecture,
    ModelSpec,
    torchvision_segmenter,
)
from xai_core.task import SEGMENTATION
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(spec: ModelSpec) -> nn.Module:
    return torchvision_segmenter("fcn_resnet50", spec)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="fcn_resnet50",
            title="FCN-ResNet50",
            summary="Two convolutions on a dilated ResNet-50 (32.9 M parameters); torchvision's.",
            blind_spot="Answers on an 8th of the input's side and resizes: what is thinner is smeared. Slow on a CPU.",
            paper="Long, Shelhamer, Darrell 2015, Fully Convolutional Networks for Semantic Segmentation",
            cost=142.7,
        ),
        build=_build,
        cam_layer="backbone.layer4",
        head="classifier.4",
        size=520,
        sizes=(32, 1024),
        task=SEGMENTATION,
        named_layers={"backbone.layer4": BACKBONE_END, "classifier.3": BEFORE_THE_HEAD},
        backbone="backbone",
        decoder="classifier",
    )
)
