"""Maps in closed form are those of HiResCAM; other heads, and code that no trace holds, are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.core.exports.cases import GO_ON, made_model, noise
from tests.oracles.models import wrap
from xai_core.errors import NotApplicable
from xai_core.exports import EXPORTS
from xai_core.exports.engine.asked import check_no_choices
from xai_core.exports.engine.closed_form import explained
from xai_core.models.classifier import Classifier
from xai_core.pipeline.export_check import check, check_maps


@pytest.mark.parametrize(
    ("architecture", "side", "layer"),
    [
        ("small_resnet", 32, "block3"),
        ("small_cnn", 32, "features"),
        ("mobilenet_v2", 64, "features.18"),
        ("small_unet", 32, "last"),
        ("deeplabv3_mobilenet_v3_large", 64, "classifier.3"),
        ("fcn_resnet50", 32, "classifier.2"),
    ],
)
def test_maps_in_closed_form_are_those_of_hirescam(architecture: str, side: int, layer: str) -> None:
    model = made_model(architecture, side)
    made = explained(model)
    module, x = made.module.eval(), noise(model, 2)
    assert made.layer == layer

    def ask(pictures: Any) -> Sequence[Any]:
        with torch.no_grad():
            return [output.numpy() for output in module(torch.from_numpy(pictures))]

    found = check_maps(model, ask, x, layer, cancel=GO_ON)
    assert found.maps >= 2
    assert found.difference < 1e-5
    assert check(model, ask, x, cancel=GO_ON).difference == 0
    _adds_up(model, *(torch.from_numpy(output) for output in ask(x.numpy())))


def _adds_up(model: Classifier, logits: Tensor, maps: Tensor) -> None:
    """What the places add, and the constant once for a classifier or for each pixel of the region, is the score."""
    last = [part for part in model.module.modules() if isinstance(part, (nn.Linear, nn.Conv2d))][-1]
    assert last.bias is not None
    if logits.ndim == 4:
        region = nn.functional.one_hot(logits.argmax(1), 3).movedim(-1, 1)
        score, times = (logits * region).sum((2, 3)), region.sum((2, 3))
    else:
        score, times = logits, torch.ones_like(logits)
    total = maps.sum((2, 3)) + times * last.bias.detach()
    torch.testing.assert_close(total, score, rtol=1e-4, atol=1e-4 * float(score.abs().max()))


class TwoLayers(nn.Module):
    """A mean over places before two layers: no closed form."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(3, 6, 3), nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


class WideHead(nn.Module):
    """A segmenter that ends in a convolution over neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).relu())


@pytest.mark.parametrize("architecture", ["small_vit", "vgg16", "lraspp_mobilenet_v3_large"])
def test_other_heads_do_not_explain_themselves(architecture: str) -> None:
    with pytest.raises(NotApplicable, match="Leave --with-explanation out"):
        explained(made_model(architecture, 32))


def test_heads_of_strangers_are_looked_at_and_not_guessed() -> None:
    two = wrap(TwoLayers(), "features")
    wide = replace(wrap(WideHead(), "features"), output_size=two.input_shape[1:])
    for model, why in ((two, "does not get the means of features"), (wide, "no such layer gives its logits")):
        with pytest.raises(NotApplicable, match=why):
            explained(model)
    with pytest.raises(NotApplicable, match="declares no layer"):
        explained(replace(two, cam_layer=""))


class Chooses(nn.Module):
    """Goes one of two ways by what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3))
        return self.head(means if means.sum() > 0 else -means)


def test_code_that_decides_by_values_is_refused() -> None:
    model = wrap(Chooses(), "")
    with pytest.raises(NotApplicable, match="decides by values"):
        EXPORTS["torchscript"].make(Chooses(), noise(model, 1), ["logits"], True)
    check_no_choices(TwoLayers(), noise(model, 1))
