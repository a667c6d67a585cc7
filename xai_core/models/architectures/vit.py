"""Vision transformers of torchvision."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

from xai_core.errors import BadParameter
from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor, nn

PATCH = 16


def _build(spec: ModelSpec) -> nn.Module:
    if spec.size % PATCH:
        below = spec.size - spec.size % PATCH
        remedy = f"Use a multiple of {PATCH}, such as {below} or {below + PATCH}."
        raise BadParameter("vit_b_16 cannot cut this spec.size into patches", value=spec.size, remedy=remedy)
    return torchvision_net("vit_b_16", spec.channels, num_classes=spec.classes, image_size=spec.size)


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
        restore_grid=restore_grid,
    )
)
