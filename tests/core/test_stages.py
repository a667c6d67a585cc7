"""The cascade's stages: few, in the order of the forward, and together all that a model has learned."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from tests.oracles.models import Residual, Tokens, model, wrap
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.architectures.base import ModelSpec
from xai_core.models.classifier import Classifier
from xai_core.sanity.randomise import Randomiser, learned
from xai_core.sanity.stages import MOST, stages

VISION = torchvision.models
SHAPE = (3, 32, 32)


class Frozen(nn.Module):
    """A norm that holds all that it learned in buffers, as detection models have it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), torchvision.ops.FrozenBatchNorm2d(4)
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(x)).mean((2, 3)))


def of_timm() -> nn.Module:
    import timm

    names = {"img_size": 32, "depth": 3, "num_classes": 5, "reg_tokens": 2, "init_values": 1e-5}
    return timm.create_model("vit_tiny_patch16_224", pretrained=False, **names)


def swin() -> nn.Module:
    sizes: dict[str, Any] = {"embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4], "window_size": [4, 4]}
    block = torchvision.models.swin_transformer
    more = {"block": block.SwinTransformerBlockV2, "downsample_layer": block.PatchMergingV2}
    return VISION.SwinTransformer([2, 2], **sizes, num_classes=5, **more)


def convnext() -> nn.Module:
    settings = [VISION.convnext.CNBlockConfig(16, 32, 2), VISION.convnext.CNBlockConfig(32, None, 2)]
    return VISION.ConvNeXt(settings, num_classes=5)


def ours(key: str) -> nn.Module:
    return ARCHITECTURES[key].build(ModelSpec(classes=5, channels=3, size=32))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "small_cnn": partial(ours, "small_cnn"),
    "small_resnet": partial(ours, "small_resnet"),
    "resnet18": partial(VISION.resnet18, num_classes=5),
    "squeezenet1_1": partial(VISION.squeezenet1_1, num_classes=5),
    "mobilenet_v3_small": partial(VISION.mobilenet_v3_small, num_classes=5),
    "densenet": partial(VISION.DenseNet, 4, (2, 2, 2), 8, num_classes=5),
    "convnext": convnext,
    "swin_v2": swin,
    "vit": partial(VISION.VisionTransformer, 32, 8, 4, 2, 16, 32, num_classes=5),
    "vit of timm": of_timm,
    "frozen norms": Frozen,
}
CONSTANT = ("relative_coords_table",)
"""Tables that a model is built with and never learns."""


def as_trained(module: nn.Module) -> Classifier:
    """Its statistics are no longer those of a model that has seen no data."""
    with torch.no_grad():
        for name, tensor in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                tensor.add_(0.5)
    return wrap(module, shape=SHAPE)


@pytest.mark.parametrize("name", MODELS)
def test_a_full_cascade_leaves_nothing_as_it_was(name: str) -> None:
    classifier = as_trained(MODELS[name]())
    before = {key: value.clone() for key, value in classifier.module.state_dict().items() if value.is_floating_point()}
    found, randomiser = stages(classifier), Randomiser(classifier)
    assert len(found) <= MOST
    left = set(before) - {key for key in before if key.endswith(CONSTANT)}
    for last in reversed(range(len(found))):
        some = [tensor for stage in found[last:] for tensor in stage.tensors]
        state = randomiser.at(3, some, "x").module.state_dict()
        touched = {key for key in before if not torch.equal(state[key], before[key])}
        assert touched == set(some), "what is random is what the stages name, and nothing else"
        left -= touched
    assert left == set()


def test_stages_are_in_the_order_of_the_forward_and_named_as_in_the_model() -> None:
    names = [stage.name for stage in stages(as_trained(MODELS["resnet18"]()))]
    assert names == ["conv1 … bn1", *(f"layer{i}.{k}" for i in (1, 2, 3, 4) for k in (0, 1)), "fc"]
    names = [stage.name for stage in stages(as_trained(MODELS["vit"]()))]
    assert names[:3] == ["class_token", "conv_proj", "encoder.pos_embedding"]
    assert names[-1] == "heads"


def test_every_tensor_is_in_one_stage() -> None:
    for kind in (Residual, Tokens):
        classifier = model(kind)
        listed = [name for stage in stages(classifier) for name in stage.tensors]
        assert sorted(listed) == sorted(name for name, _ in learned(classifier.module))


class Spare(nn.Module):
    """A head that no forward asks."""

    def __init__(self) -> None:
        super().__init__()
        self.spare, self.conv, self.head = nn.Linear(4, 2), nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).mean((2, 3)))


def test_what_no_forward_asks_has_no_stage_of_its_own() -> None:
    found = stages(wrap(Spare(), shape=SHAPE))
    assert [stage.name for stage in found] == ["conv", "head"]
    assert found[-1].tensors == ("head.weight", "head.bias", "spare.weight", "spare.bias")


def test_a_copy_goes_back_to_what_was_learned() -> None:
    classifier = model(Residual)
    names = [name for name, _ in learned(classifier.module)]
    randomiser = Randomiser(classifier)
    full = {name: value.clone() for name, value in randomiser.at(1, names, "x").module.state_dict().items()}
    randomiser.at(2, names[:3], "x")
    trained = randomiser.at(2, [], "x").module.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in classifier.module.state_dict().items())
    again = randomiser.at(1, names, "x").module.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in full.items())


def test_statistics_can_be_kept() -> None:
    classifier = model(Residual)
    names = [name for name, _ in learned(classifier.module)]
    before = dict(classifier.module.state_dict())
    for statistics, stays in (("reset", False), ("kept", True)):
        after = Randomiser(classifier, statistics).at(1, names, "x").module.state_dict()
        running = [name for name in before if name.endswith("running_var")]
        assert running
        assert all(torch.equal(before[name], after[name]) == stays for name in running)
