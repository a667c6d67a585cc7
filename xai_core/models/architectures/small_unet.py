"""A small U-net: the default for training a segmenter on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, BEFORE_THE_HEAD, Architecture, ModelSpec
from xai_core.task import SEGMENTATION
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(spec: ModelSpec) -> nn.Module:
    from xai_core.models.segmenters import SmallUnet

    return SmallUnet(spec.classes, spec.channels)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="small_unet",
            title="Small U-net",
            summary="Three halvings and three steps back to every pixel (0.4 M parameters); grey or RGB, 32 to 256 px. "
            "Trains on a CPU.",
            blind_spot="Sees neighbourhoods of about 70 pixels, and has no pretrained weights.",
            paper="Ronneberger, Fischer, Brox 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation",
            cost=0.6,
        ),
        build=_build,
        cam_layer="bottom",
        head="head",
        size=128,
        sizes=(32, 256),
        task=SEGMENTATION,
        named_layers={"bottom": "the coarsest grid", "up2": "half of the input's side", "last": BEFORE_THE_HEAD},
        grey=True,
    )
)
