"""DeepLabv3: torchvision's, and its head on MobileNetV2, whose ImageNet weights fit into a small file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from xai_core.models.architectures.base import (
    BACKBONE_END,
    BEFORE_THE_HEAD,
    Architecture,
    ModelSpec,
    check_rgb,
    on_dilated_backbone,
    torchvision_net,
    torchvision_segmenter,
    torchvision_submodule,
)
from xai_core.task import SEGMENTATION
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn

PAPER = "Chen, Papandreou, Schroff, Adam 2017, Rethinking Atrous Convolution for Semantic Image Segmentation"
ASPP = "pyramid of dilated convolutions (ASPP)"
LAST, CHANNELS = 17, 320
"""Of MobileNetV2's blocks, and what it gives; the convolution behind it widens for ImageNet's classes alone."""


def _build_mobilenet_v2(spec: ModelSpec) -> nn.Module:
    from xai_core.models.segmenters import OnFeatures, dilated

    check_rgb("deeplabv3_mobilenet_v2", spec.channels, SEGMENTATION)
    whole: Any = torchvision_net("mobilenet_v2", spec.channels)
    head = torchvision_submodule("segmentation.deeplabv3").DeepLabHead(CHANNELS, spec.classes)
    return OnFeatures(dilated(whole.features[: LAST + 1]), head)


def _add(key: str, title: str, summary: str, blind_spot: str, cam_layer: str, cost: float) -> Architecture:
    build = _build_mobilenet_v2 if key == "deeplabv3_mobilenet_v2" else partial(torchvision_segmenter, key)
    return on_dilated_backbone(
        Card(key=key, title=title, summary=summary, blind_spot=blind_spot, paper=PAPER, cost=cost),
        build,
        cam_layer,
        head="classifier.4",
        named_layers={cam_layer: BACKBONE_END, "classifier.0": ASPP, "classifier.3": BEFORE_THE_HEAD},
    )


_add(
    "deeplabv3_resnet50",
    "DeepLabv3-ResNet50",
    "A dilated ResNet-50 (39.6 M parameters); torchvision's.",
    "Answers on an 8th of the input's side and resizes: what is thinner than that is smeared. Slow on a CPU.",
    "backbone.layer4",
    cost=168.7,
)
_add(
    "deeplabv3_resnet101",
    "DeepLabv3-ResNet101",
    "A dilated ResNet-101 (58.6 M parameters); torchvision's.",
    "Answers on an 8th of the input's side and resizes: what is thinner than that is smeared. Very slow on a CPU.",
    "backbone.layer4",
    cost=248.7,
)
_add(
    "deeplabv3_mobilenet_v3_large",
    "DeepLabv3-MobileNetV3",
    "A dilated MobileNetV3 (11.0 M parameters); torchvision's.",
    "Answers on a 16th of the input's side and resizes: what is thinner than that is smeared.",
    "backbone.16",
    cost=10.4,
)
_add(
    "deeplabv3_mobilenet_v2",
    "DeepLabv3-MobileNetV2",
    "torchvision's head on MobileNetV2's blocks, the last ones dilated (5.1 M parameters). Takes ImageNet's weights.",
    "Answers on a 16th of the input's side and resizes: what is thinner than that is smeared.",
    f"backbone.{LAST}",
    cost=6.0,
)
