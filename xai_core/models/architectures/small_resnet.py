"""A small residual net: the default for training on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn

LARGE = 64
"""From this side on the stem halves the picture, so that 96 pixels cost about as much as 48."""


def _build(spec: ModelSpec) -> nn.Module:
    from xai_core.models.nets import SmallResnet

    return SmallResnet(spec.classes, spec.channels, stem_stride=2 if spec.size >= LARGE else 1)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="small_resnet",
            title="Small ResNet",
            summary="Three residual blocks (0.3 M parameters); grey or RGB, 28 to 128 pixels. Trains on a CPU.",
            blind_spot="Has no pretrained weights: with a few hundred pictures, fine-tuning a larger net does better.",
            paper="He, Zhang, Ren, Sun 2016, Deep Residual Learning for Image Recognition",
            cost=0.04,
        ),
        build=_build,
        cam_layer="block3",
        head="head",
        size=28,
        sizes=(28, 128),
        grey=True,
    )
)
