"""A scaled-down member of each registered architecture: its family's code, few channels, few blocks, small pictures.

Quick enough that every method runs on every family, with weights and BatchNorm statistics as after training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import nn
from torchvision import models as tv
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import MBConvConfig
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.squeezenet import Fire
from torchvision.models.vgg import make_layers
from torchvision.ops import Conv2dNormActivation

from tests.oracles.models import CLASSES, pictures, wrap
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.architectures.densenet import with_modules
from xai_core.models.classifier import Classifier
from xai_core.models.nets import SmallCnn, SmallResnet

SHAPE = (3, 64, 48)
"""Not square, for every family that allows it."""
SQUARE = (3, 32, 32)


class NarrowResNet(tv.ResNet):
    """A quarter of the channels after the stem."""

    def __init__(self, block: type[BasicBlock | Bottleneck]) -> None:
        super().__init__(block, [1, 2, 1, 1], CLASSES)
        self.fc = nn.Linear(128 * block.expansion, CLASSES)

    def _make_layer(self, block: type, planes: int, *args: int, **options: bool) -> nn.Sequential:
        return super()._make_layer(block, planes // 4, *args, **options)


def _vgg(batch_norm: bool) -> nn.Module:
    with torch.device("meta"):  # its 100 million weights are never made
        net = tv.VGG(nn.Identity(), init_weights=False)
    net.features = make_layers([16, "M", 24, 24, "M", 32, 32, "M"], batch_norm=batch_norm)
    net.classifier = nn.Sequential(
        *(nn.Linear(32 * 49, 32), nn.ReLU(True), nn.Dropout()),
        *(nn.Linear(32, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, CLASSES)),
    )
    return net


def _squeezenet() -> nn.Module:
    with torch.device("meta"):
        net = tv.SqueezeNet("1_1", CLASSES)
    net.features = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(Fire(16, 8, 16, 16), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(32, 12, 16, 16)),
    )
    head = (nn.Dropout(), nn.Conv2d(32, CLASSES, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))
    net.classifier = nn.Sequential(*head)
    return net


def _mobilenet() -> nn.Module:
    net = tv.MobileNetV2(CLASSES, 0.25, [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 1, 2]])
    net.features[-1] = Conv2dNormActivation(8, 32, 1, activation_layer=nn.ReLU6)
    net.classifier[1] = nn.Linear(32, CLASSES)
    return net


def _efficientnet() -> nn.Module:
    blocks = [MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(6, 3, 2, 8, 12, 2), MBConvConfig(6, 5, 2, 12, 16, 1)]
    return tv.EfficientNet(blocks, dropout=0.2, num_classes=CLASSES, last_channel=32)


def _densenet() -> nn.Module:
    return with_modules(tv.DenseNet(8, (2, 2, 2), 16, num_classes=CLASSES))


def _convnext() -> nn.Module:
    stages = [CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 2)]
    # The published scale of a fresh net, 1e-6, leaves every block without effect.
    return tv.ConvNeXt(stages, stochastic_depth_prob=0.1, layer_scale=0.5, num_classes=CLASSES)


def _vit() -> nn.Module:
    return tv.VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=CLASSES)


FAMILIES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "small_cnn": (lambda: SmallCnn(CLASSES, 3), "features"),
    "small_resnet": (lambda: SmallResnet(CLASSES, 3, stem_stride=2), "block3"),
    "resnet18": (lambda: NarrowResNet(BasicBlock), "layer4"),
    "resnet50": (lambda: NarrowResNet(Bottleneck), "layer4"),
    "vgg16": (lambda: _vgg(batch_norm=False), "features.11"),
    "vgg16_bn": (lambda: _vgg(batch_norm=True), "features.16"),
    "squeezenet1_1": (_squeezenet, "features.5"),
    "mobilenet_v2": (_mobilenet, "features.5"),
    "efficientnet_b0": (_efficientnet, "features.4"),
    "densenet121": (_densenet, "relu"),
    "convnext_tiny": (_convnext, "features.3"),
    "vit_b_16": (_vit, "encoder.layers.encoder_layer_1.ln_1"),
    "small_vit": (_vit, "encoder.layers.encoder_layer_1.ln_1"),
}
"""Key of the architecture: builder, and the layer that corresponds to the architecture's own."""


def family(key: str) -> Classifier:
    """The scaled-down member of an architecture's family: always the same weights, a module of its own."""
    made = _prepared(key)
    return replace(made, module=copy.deepcopy(made.module))


@cache
def _prepared(key: str) -> Classifier:
    build, layer = FAMILIES[key]
    shape = SQUARE if ARCHITECTURES[key].restore_grid else SHAPE
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build()
        as_after_training(module, module.get_submodule(ARCHITECTURES[key].head), shape)
    made = wrap(module, layer, shape=shape, name=f"small {key}")
    return replace(made, restore_grid=ARCHITECTURES[key].restore_grid)


@torch.no_grad()
def as_after_training(module: nn.Module, head: nn.Module, shape: tuple[int, int, int], count: int = 16) -> None:
    """BatchNorm with scales, shifts and statistics of its own, over twice `count` pictures; logits that differ, and
    tower over biases."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None  # the plain mean over what it has seen
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.1)
        elif isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.normal_(part.bias, std=0.002)
    for seed in range(2):
        module.train()(pictures(count, 100 + seed, shape))
    # No class that is switched off for all pictures: SqueezeNet rectifies its logits.
    weight = head.get_parameter("weight")
    weight.sub_(weight.mean(1, keepdim=True))
    weight.mul_(4 / module.eval()(pictures(count, 102, shape)).std())
