"""A small vision transformer: attention that trains without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.errors import BadParameter
from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec, torchvision_class
from xai_core.models.architectures.vit import restore_grid
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn

SIDES = (8, 7)
"""Patches along each side: the first that divides the picture's."""
DEPTH, HEADS, WIDTH = 6, 3, 192


def _build(spec: ModelSpec) -> nn.Module:
    from torch import nn

    side = next((each for each in SIDES if spec.size % each == 0), None)
    if side is None:
        remedy = f"Use a multiple of 7 or 8, such as {spec.size - spec.size % 8}."
        raise BadParameter("small_vit cannot cut this size into patches", value=spec.size, remedy=remedy)
    patch = spec.size // side
    net: nn.Module = torchvision_class("VisionTransformer")(
        spec.size, patch, DEPTH, HEADS, WIDTH, 2 * WIDTH, num_classes=spec.classes
    )
    if spec.channels != 3:
        net.conv_proj = nn.Conv2d(spec.channels, WIDTH, patch, patch)
    return net


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="small_vit",
            title="Small ViT",
            summary="Six transformer blocks over 8 × 8 or 7 × 7 patches (1.8 M parameters); grey or RGB, 28 to 128 px.",
            blind_spot="Without pretrained weights it stays behind a convolutional net of its size.",
            paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words",
            cost=0.1,
        ),
        build=_build,
        # The last block's output has no gradient at the patch tokens: only its class token is read.
        cam_layer=f"encoder.layers.encoder_layer_{DEPTH - 1}.ln_1",
        head="heads.head",
        size=28,
        sizes=(28, 128),
        restore_grid=restore_grid,
    )
)
