"""Methods that ask a real segmenter many times, about a region: they give maps, and what must add up does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracles.segmenters import given, pictures
from xai_core.explainers import ExplainerInput
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.layer_pass import activations
from xai_core.explainers.engine.output import weighted
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.gradient_shap import ShapLayerParams, ShapParams
from xai_core.explainers.integrated_gradients import IGParams
from xai_core.explainers.occlusion import OcclusionParams
from xai_core.explainers.scorecam import ScoreCamParams
from xai_core.explainers.smoothgrad import SmoothGradParams
from xai_core.models.proposal import proposed_layer
from xai_core.types import Explanation

KEY, SIZE = "deeplabv3_mobilenet_v3_large", 64
LAYER = "classifier.3"
METHODS: dict[str, Any] = {
    "scorecam": ScoreCamParams(LAYER),
    "ablationcam": CamParams(LAYER),
    "occlusion": OcclusionParams(window=0.25, stride=0.25),
    "ig": IGParams(steps=16),
    "shap": ShapParams(samples=6, background=3),
    "shap_layer": ShapLayerParams(LAYER, samples=6, background=3),
    "smoothgrad": SmoothGradParams(samples=2),
    "saliency": None,
    "input_x_gradient": None,
    "eigencam": None,
}


def asked() -> ExplainerInput:
    """A difference of two classes in the lower half of a picture."""
    whole, row = given(KEY, SIZE), slice(3, 4)
    assert whole.regions is not None
    one = {"x": whole.x[row], "targets": whole.targets[row], "seeds": whole.seeds[row], "regions": whole.regions[row]}
    return replace(whole, **one, background=pictures(SIZE)[:3])  # type: ignore[arg-type]


def run(key: str) -> Explanation:
    (found,) = explain(asked(), [(key, METHODS[key])])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("key", METHODS)
def test_a_region_of_a_real_segmenter_has_a_map(key: str) -> None:
    found = run(key)
    assert found.refusals == (None,)
    assert np.isfinite(found.maps).all()
    assert found.maps.std() > 0
    assert found.maps.shape[1:] in {(SIZE, SIZE), (SIZE // 16, SIZE // 16)}


def score(x: torch.Tensor) -> float:
    here = asked()
    with torch.no_grad():
        return float(weighted(here.classifier.logits(x), here.weights))


@pytest.mark.slow
def test_ablation_weighs_each_channel_with_what_the_region_loses() -> None:
    here, found = asked(), run("ablationcam").maps[0]
    grid, expected = activations(here.classifier, here.x, LAYER)[0], 0.0
    whole = score(here.x)
    for channel in range(len(grid)):

        def without(_module: object, _inputs: object, output: torch.Tensor, channel: int = channel) -> torch.Tensor:
            changed = output.clone()
            changed[:, channel] = 0
            return changed

        handle = here.classifier.layer(LAYER).register_forward_hook(without)
        expected = expected + (whole - score(here.x)) * grid[channel]
        handle.remove()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * float(np.abs(found).max()))


@pytest.mark.slow
def test_a_patch_that_covers_all_takes_the_whole_score() -> None:
    here = asked()
    (found,) = explain(here, [("occlusion", OcclusionParams(window=1.0, stride=1.0, baseline="mean"))])
    expected = score(here.x) - score(torch.zeros_like(here.x))
    np.testing.assert_allclose(found.maps, expected, rtol=1e-3)


def test_of_a_strangers_deeplab_the_layer_is_proposed_that_its_head_reads() -> None:
    known = given(KEY, SIZE).classifier
    stranger = replace(known, module=nn.Sequential(known.module), architecture="theirs:net", cam_layer="")
    assert proposed_layer(stranger)[0] == f"0.{LAYER}"
