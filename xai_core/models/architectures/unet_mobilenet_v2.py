"""A U-net on MobileNetV2, whose ImageNet weights fit into a small file: for thin objects on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_core.models.architectures.base import (
    ARCHITECTURES,
    BACKBONE_END,
    BEFORE_THE_HEAD,
    Architecture,
    ModelSpec,
    check_rgb,
    torchvision_net,
)
from xai_core.task import SEGMENTATION
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn

KEY = "unet_mobilenet_v2"
BESIDE, WIDE = (1, 3, 6, 13), (16, 24, 32, 96, 320)
"""MobileNetV2's last blocks on a half, a 4th, an 8th and a 16th of the input's side; their channels, and those of the
last one on a 32nd."""
LAST = 17
"""Of the blocks; the convolution behind it widens for ImageNet's classes alone."""


def _build(spec: ModelSpec) -> nn.Module:
    from xai_core.models.segmenters import UnetOnFeatures

    check_rgb(KEY, spec.channels, SEGMENTATION)
    whole: Any = torchvision_net("mobilenet_v2", spec.channels)
    return UnetOnFeatures(whole.features[: LAST + 1], BESIDE, WIDE, spec.classes)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key=KEY,
            title="U-net on MobileNetV2",
            summary="MobileNetV2's blocks and four steps back to half of the input's side (2.3 M parameters). Takes "
            "ImageNet's weights.",
            blind_spot="Its coarsest maps have a 32nd of the input's side, and borders are placed to two pixels.",
            paper="Ronneberger, Fischer, Brox 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation",
            cost=0.6,
        ),
        build=_build,
        cam_layer=f"backbone.{LAST}",
        head="decoder.head",
        size=256,
        sizes=(32, 1024),
        task=SEGMENTATION,
        named_layers={
            f"backbone.{LAST}": BACKBONE_END,
            "backbone.13": "a 16th of the input's side",
            "decoder.last": BEFORE_THE_HEAD,
        },
        backbone="backbone",
        decoder="decoder",
    )
)
