"""DenseNet of torchvision."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, ModelSpec, torchvision_net
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import nn


def _build(spec: ModelSpec) -> nn.Module:
    return with_modules(torchvision_net("densenet121", spec.channels, num_classes=spec.classes))


def with_modules(net: Any) -> nn.Module:
    """The same net with the same names of weights, but what its code calls between features and head as modules.

    torchvision's rectifies the features in place in its code, so that no layer has the activations that are pooled:
    at `features`, Grad-CAM would weigh numbers below zero, which the head never sees.
    """
    from torch import nn

    parts = {"features": net.features, "relu": nn.ReLU(), "pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    return nn.Sequential(OrderedDict(parts, classifier=net.classifier))


ARCHITECTURES.add(
    Architecture(
        card=Card(
            key="densenet121",
            title="DenseNet-121",
            summary="Blocks in which each layer sees all earlier ones (8.0 M parameters); torchvision's.",
            blind_spot="Its maps have a 32nd of the input's side: 7×7 at 224 pixels.",
            paper="Huang et al. 2017, Densely Connected Convolutional Networks",
            cost=2.8,
        ),
        build=_build,
        cam_layer="relu",
        head="classifier",
        size=224,
        sizes=(32, 1024),
    )
)
