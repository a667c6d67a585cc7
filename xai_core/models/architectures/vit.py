"""Vision transformers of torchvision: the usual one, and one that trains without a cluster."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

from xai_core.errors import BadParameter
from xai_core.models.architectures.base import (
    ARCHITECTURES,
    Architecture,
    ModelSpec,
    torchvision_class,
    torchvision_net,
)
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor, nn

PATCH = 16
"""Of ViT-B/16."""

SIDES = (8, 7)
"""Of the small one, patches along each side: the first number that divides the picture's."""
DEPTH, HEADS, WIDTH = 6, 3, 192

LEARNING_RATE = 1e-3
"""From scratch: at the rate of convolutional nets, six times this, the small one learns little or nothing (ADR 34)."""


def _build(spec: ModelSpec) -> nn.Module:
    if spec.size % PATCH:
        below = spec.size - spec.size % PATCH
        remedy = f"Use a multiple of {PATCH}, such as {below} or {below + PATCH}."
        raise BadParameter("vit_b_16 cannot cut this spec.size into patches", value=spec.size, remedy=remedy)
    return torchvision_net("vit_b_16", spec.channels, num_classes=spec.classes, image_size=spec.size)


def _build_small(spec: ModelSpec) -> nn.Module:
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


def restore_grid(tokens: Tensor) -> Tensor:
    """`(N, 1 + s·s, D)` → `(N, D, s, s)`: the class token, which comes first, is dropped.

    Any other output passes as it is: that of `conv_proj` has its grid already.
    """
    if tokens.ndim != 3:
        return tokens
    count, length, depth = tokens.shape
    side = isqrt(length - 1)
    return tokens[:, 1:].transpose(1, 2).reshape(count, depth, side, side)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="vit_b_16",
            title="ViT-B/16",
            summary="Twelve transformer blocks over patches of 16 pixels (86 M parameters); torchvision's.",
            blind_spot="Without pretrained weights it needs far more pictures than a convolutional net.",
            paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words",
            cost=17.6,
        ),
        build=_build,
        # The last block's output has no gradient at the patch tokens: only its class token is read.
        cam_layer="encoder.layers.encoder_layer_11.ln_1",
        head="heads.head",
        size=224,
        sizes=(32, 512),
        learning_rate=LEARNING_RATE,
        restore_grid=restore_grid,
    )
)

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
        build=_build_small,
        # The last block's output has no gradient at the patch tokens: only its class token is read.
        cam_layer=f"encoder.layers.encoder_layer_{DEPTH - 1}.ln_1",
        head="heads.head",
        size=28,
        sizes=(28, 128),
        grey=True,
        learning_rate=LEARNING_RATE,
        restore_grid=restore_grid,
    )
)
