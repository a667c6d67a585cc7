"""Grad-CAM in windows (Seg-XRes-CAM): the paper written slowly, its two limits, and the pass it shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracles import cam as slow
from tests.oracles.models import CLASSES, Residual, model, pictures, wrap
from xai_core.errors import BadParameter
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.base import CamParams
from xai_core.explainers.cam import GradCamParams, gradcam
from xai_core.explainers.engine.plan import explain, groups
from xai_core.models.classifier import Classifier
from xai_core.params import build, identifying
from xai_core.types import Target

TARGETS = [Target(0), Target(3)]


def grids(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(height)
    first, second = (torch.randn(2, 4, height, width, generator=generator) for _ in range(2))
    return first.relu(), second


def window(side: int) -> GradCamParams:
    return build(GradCamParams, {"window": side})


@pytest.mark.parametrize("size", [(5, 3), (6, 8), (1, 7)])
@pytest.mark.parametrize("side", [1, 2, 3, 4, 9])
def test_equals_the_paper_written_slowly(side: int, size: tuple[int, int]) -> None:
    activations, gradients = grids(*size)
    pairs = zip(activations.double().numpy(), gradients.double().numpy(), strict=True)
    expected = [slow.windowed_grad_cam(*pair, side) for pair in pairs]
    np.testing.assert_allclose(gradcam(activations, gradients, window(side)), expected, atol=1e-5)


def test_its_limits_are_hires_cam_and_grad_cam() -> None:
    """And between them it is neither."""
    activations, gradients = grids(6, 8)
    found = {side: gradcam(activations, gradients, window(side)) for side in (0, 1, 2, 8, 1024)}
    torch.testing.assert_close(found[1], EXPLAINERS["hirescam"].formula(activations, gradients))
    torch.testing.assert_close(found[8], found[0])
    torch.testing.assert_close(found[1024], found[0])
    assert not torch.allclose(found[2], found[0], atol=0.1)
    assert not torch.allclose(found[2], found[1], atol=0.1)


def test_windows_share_the_pass_of_their_layer() -> None:
    classifier, x = model(Residual), pictures(2)
    given = ExplainerInput(classifier, x, TARGETS, np.arange(2))
    methods = [
        ("gradcam", None),
        ("gradcam", window(1)),
        ("hirescam", None),
        ("gradcam", window(2)),
        ("layercam", None),
    ]
    assert groups(classifier, methods) == [[0, 1, 2, 3, 4]]
    assert len(groups(classifier, [*methods, ("gradcam", GradCamParams("block1", 2))])) == 2
    together = explain(given, methods)
    for method, found in zip(methods, together, strict=True):
        np.testing.assert_array_equal(found.maps, explain(given, [method])[0].maps)
    np.testing.assert_allclose(together[1].maps, together[2].maps, atol=1e-6)


def test_maps_stored_before_windows_stay_valid_and_a_window_is_in_the_title() -> None:
    assert identifying(GradCamParams()) == identifying(CamParams())
    assert identifying(window(2)) == {"layer": "", "window": 2}
    member = EXPLAINERS["gradcam"]
    assert [member.card_for(each).title for each in (window(0), window(2))] == ["Grad-CAM", "Grad-CAM in windows of 2"]
    with pytest.raises(BadParameter, match="window"):
        window(-1)


class Two(nn.Module):
    """Two objects of one class in a picture: each is seen by its own channel of the layer, and both add to class 0."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Conv2d(3, 2, 1, bias=False), nn.Conv2d(2, CLASSES, 1, bias=False)
        with torch.no_grad():
            self.layer.weight.zero_()[0, 0], self.layer.weight[1, 1] = 1, 1
            self.head.weight.zero_()[0] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x))


def test_of_two_objects_the_one_in_the_region_is_shown() -> None:
    """What the windows are for: Grad-CAM averages a region's gradient over the picture, and shows its twin as well."""
    x = torch.zeros(1, 3, 8, 8)
    x[0, :2, 1:3, 1:3], x[0, :2, 5:7, 5:7] = 1, 1
    region = torch.zeros(1, 8, 8)
    region[0, 0:4, 0:4] = 1
    classifier: Classifier = replace(wrap(Two(), "layer", shape=(3, 8, 8)), output_size=(8, 8))
    given = ExplainerInput(classifier, x, [Target(0)], np.arange(1), region)
    plain, windowed = (explain(given, [("gradcam", params)])[0].maps[0] for params in (None, window(4)))
    assert plain[1:3, 1:3].sum() == plain[5:7, 5:7].sum() > 0
    assert windowed[1:3, 1:3].sum() > 0 == windowed[5:7, 5:7].sum()
