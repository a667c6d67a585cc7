"""LR-ASPP of torchvision: the segmenter of MobileNetV3's authors."""

from __future__ import annotations

from functools import partial

from xai_core.models.architectures.base import (
    BACKBONE_END,
    on_dilated_backbone,
    torchvision_segmenter,
)
from xai_core.types import Card

KEY = "lraspp_mobilenet_v3_large"


on_dilated_backbone(
    card=Card(
        key=KEY,
        title="LR-ASPP-MobileNetV3",
        summary="A light head on coarse and fine features of MobileNetV3 (3.2 M parameters); torchvision's.",
        blind_spot="Its fine features have an 8th of the input's side: what is thinner than that is smeared.",
        paper="Howard et al. 2019, Searching for MobileNetV3",
        cost=2.1,
    ),
    build=partial(torchvision_segmenter, KEY),
    cam_layer="backbone.16",
    head="classifier.high_classifier",
    more_heads=("classifier.low_classifier",),
    named_layers={
        "backbone.4": "the backbone's fine features",
        "backbone.16": BACKBONE_END,
        "classifier.cbr": "coarse features before they are gated",
    },
)
