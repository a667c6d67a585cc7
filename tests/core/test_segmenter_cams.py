"""Class activation maps of a region on our segmenters: pytorch-grad-cam, the papers, and where they add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import SemanticSegmentationTarget
from torch import nn

from tests.oracles import cam as slow
from tests.oracles.segmenters import given, segmenter
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.layer_pass import rounds
from xai_core.explainers.engine.output import weighted
from xai_core.explainers.engine.plan import explain
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.architectures.base import BEFORE_THE_HEAD
from xai_core.types import Target

SIZE = 64
LIGHT = (
    "deeplabv3_mobilenet_v3_large",
    "lraspp_mobilenet_v3_large",
    "deeplabv3_mobilenet_v2",
    "unet_mobilenet_v2",
    "small_unet",
)
PEERS = {"gradcam": "GradCAM", "xgradcam": "XGradCAM", "hirescam": "HiResCAM", "layercam": "LayerCAM"}
EXACT = (
    *(key for key in LIGHT if key != "lraspp_mobilenet_v3_large"),
    "fcn_resnet50",
    "deeplabv3_resnet50",
)
"""Those whose head reads one layer alone. That of LR-ASPP reads two and adds up."""


def maps(key: str, method: str, layer: str = "", **change: Any) -> np.ndarray:
    (found,) = explain(replace(given(key, SIZE), **change), [(method, CamParams(layer))])
    assert found.refusals == (None,) * 4
    return found.maps


@pytest.mark.parametrize("method", PEERS)
@pytest.mark.parametrize("key", LIGHT)
def test_maps_of_a_region_equal_pytorch_grad_cam(key: str, method: str) -> None:
    targets = [Target(1), Target(2), Target(0), Target(3)]  # it knows no differences
    here, peer = given(key, SIZE), getattr(pytorch_grad_cam, PEERS[method])
    layers = ("", *ARCHITECTURES[key].named_layers)
    for layer in layers:
        with peer(here.classifier.module, [here.classifier.layer(layer)]) as cam:
            wanted = [
                SemanticSegmentationTarget(target.positive, region.numpy())
                for target, region in zip(targets, here.regions, strict=True)
            ]
            expected = cam(here.x, wanted)
        found = maps(key, method, layer, targets=targets)
        scaled = scale_cam_image(scale_cam_image(np.maximum(found, 0), (SIZE, SIZE)))
        near = 1e-3 if method == "xgradcam" else 1e-4  # it divides by sums that may be next to nothing
        np.testing.assert_allclose(scaled, expected, atol=near, err_msg=layer)


@pytest.mark.parametrize("key", LIGHT)
def test_grad_cam_plus_plus_of_a_region_is_the_papers(key: str) -> None:
    """pytorch-grad-cam's constant in the denominator decides where gradients are small. The score's exponential, which
    all weights share, is divided out: of a region's sum of thousands it is no number."""
    here = given(key, SIZE)
    (kept,) = rounds(here.classifier, here.x, np.arange(4), here.weights, "")
    pairs = zip(kept.activations.double().numpy(), kept.gradients.double().numpy(), strict=True)
    expected = [slow.grad_cam_plus_plus(*pair, logit=0.0) for pair in pairs]
    found = maps(key, "gradcam++")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * float(np.abs(found).max()))


@pytest.mark.parametrize("key", [pytest.param(key, marks=[pytest.mark.slow] * ("resnet" in key)) for key in EXACT])
def test_hires_cam_before_a_head_of_one_pixel_adds_up_to_the_region(key: str) -> None:
    """Its sum and what the bias gives at every place of the region are the region's sum of logits, exactly: the
    head is linear, and so is resizing what it gives."""
    here = given(key, SIZE)
    (layer,) = (name for name, holds in ARCHITECTURES[key].named_layers.items() if holds == BEFORE_THE_HEAD)
    with torch.no_grad():
        scores = weighted(here.classifier.logits(here.x), here.weights)
    head = here.classifier.layer(ARCHITECTURES[key].head)
    assert isinstance(head, nn.Conv2d)
    of_bias = (here.weights.sum((2, 3)) * head.bias).sum(1).detach()
    found = maps(key, "hirescam", layer).sum((1, 2))
    np.testing.assert_allclose(found, (scores - of_bias).numpy(), rtol=1e-3)


def test_what_rests_on_one_gradient_for_all_places_is_not_exact() -> None:
    """The test above can fail: Grad-CAM's sum is another."""
    here = given("small_unet", SIZE)
    sums = [maps("small_unet", method, "last").sum((1, 2)) for method in ("hirescam", "gradcam")]
    assert not np.allclose(*sums, rtol=0.05)
    assert segmenter("small_unet", SIZE) is here.classifier
