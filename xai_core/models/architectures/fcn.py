"""The fully convolutional net of torchvision."""

from __future__ import annotations

from functools import partial

from xai_core.models.architectures.base import (
    BACKBONE_END,
    BEFORE_THE_HEAD,
    on_dilated_backbone,
    torchvision_segmenter,
)
from xai_core.types import Card

KEY = "fcn_resnet50"


on_dilated_backbone(
    card=Card(
        key=KEY,
        title="FCN-ResNet50",
        summary="Two convolutions on a dilated ResNet-50 (32.9 M parameters); torchvision's.",
        blind_spot="Answers on an 8th of the input's side and resizes: what is thinner is smeared. Slow on a CPU.",
        paper="Long, Shelhamer, Darrell 2015, Fully Convolutional Networks for Semantic Segmentation",
        cost=142.7,
    ),
    build=partial(torchvision_segmenter, KEY),
    cam_layer="backbone.layer4",
    head="classifier.4",
    named_layers={"backbone.layer4": BACKBONE_END, "classifier.3": BEFORE_THE_HEAD},
)
