"""A plain convolutional net, the quickest to train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(spec: ModelSpec) -> nn.Module:
    from xai_core.models.nets import SmallCnn

    return SmallCnn(spec.classes, spec.channels)


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="small_cnn",
            title="Small CNN",
            summary="Three convolutions and one linear layer (0.1 M parameters); grey or RGB, 28 to 128 pixels.",
            blind_spot="Sees neighbourhoods of 18 pixels only: no shape that spans a larger picture.",
            cost=0.008,
        ),
        build=_build,
        cam_layer="features",
        head="head",
        size=28,
        sizes=(28, 128),
        grey=True,
    )
)
