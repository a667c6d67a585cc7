"""Methods that give one map: told from the model, and from the maps."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from tests.oracles.models import Plain, Residual, Tokens, model, pictures
from xai_core.explainers import Context
from xai_core.explainers.identities import CONSTANT_GRADIENT, same_by_construction, same_maps
from xai_core.explainers.plan import explain
from xai_core.types import Target

CAMS = ["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "eigencam", "scorecam", "ablationcam"]


def test_three_maps_are_one_before_global_pooling_and_a_linear_layer() -> None:
    classifier = model(Residual)
    assert same_by_construction(classifier) == CONSTANT_GRADIENT
    methods, targets = [(key, None) for key in CAMS], [Target(0), Target(3), Target(1, 2)]
    found = explain(classifier, pictures(3), targets, methods, Context(), np.arange(3))
    maps = dict(zip(CAMS, (each.maps for each in found), strict=True))
    for key in CONSTANT_GRADIENT:
        np.testing.assert_allclose(maps[key], maps["gradcam"], atol=1e-5)
    assert same_maps(maps) == [CONSTANT_GRADIENT]


@pytest.mark.parametrize(("kind", "layer"), [(Plain, ""), (Tokens, ""), (Tokens, "norm"), (Residual, "block1")])
def test_they_differ_elsewhere(kind: type[nn.Module], layer: str) -> None:
    classifier = model(kind)
    assert same_by_construction(classifier, layer) == frozenset()


def test_maps_are_compared_up_to_scale_and_storage() -> None:
    maps = pictures(3, shape=(4, 5, 6))[:, 0].numpy()
    stored = (7 * maps).astype(np.float16).astype(np.float32)
    refused = maps.copy()
    refused[1] = np.nan
    family = {"a": maps, "b": -maps, "c": stored, "d": maps[:, :2], "e": refused, "f": 0 * maps, "g": 0 * maps}
    assert same_maps(family) == [frozenset({"a", "c", "e"})]
    assert same_maps({"a": maps, "b": maps + 0.05 * maps.max()}) == []


def test_the_model_is_left_as_it_was() -> None:
    classifier = model(Residual)
    classifier.module.train()
    same_by_construction(classifier)
    assert classifier.module.training
    assert all(parameter.requires_grad for parameter in classifier.module.parameters())
