"""LR-ASPP of torchvision: the segmenter of MobileNetV3's authors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import (
    ARCHITECTURES,
    BACKBONE_END,
    Architecture,
    ModelSpec,
    torchvision_segmenter,
)
from xai_core.task import SEGMENTATION
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(spec: ModelSpec) -> nn.Module:
    return torchvision_segmenter("lraspp_mobilenet_v3_large", spec)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="lraspp_mobilenet_v3_large",
            title="LR-ASPP-MobileNetV3",
            summary="A light head on coarse and fine features of MobileNetV3 (3.2 M parameters); torchvision's.",
            blind_spot="Its fine features have an 8th of the input's side: what is thinner than that is smeared.",
            paper="Howard et al. 2019, Searching for MobileNetV3",
            cost=2.1,
        ),
        build=_build,
        cam_layer="backbone.16",
        head="classifier.high_classifier",
        more_heads=("classifier.low_classifier",),
        size=520,
        sizes=(32, 1024),
        task=SEGMENTATION,
        named_layers={
            "backbone.4": "the backbone's fine features",
            "backbone.16": BACKBONE_END,
            "classifier.cbr": "coarse features before they are gated",
        },
        backbone="backbone",
        decoder="classifier",
    )
)
