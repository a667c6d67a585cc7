"""Methods that give one map."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from tests.oracles.models import Plain, Residual, Tokens, model, pictures
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.triage.identities import same_maps
from xai_core.types import Target

CAMS = ["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "eigencam", "scorecam", "ablationcam"]


ONE_MAP = frozenset({"gradcam", "hirescam", "xgradcam"})


@pytest.mark.parametrize(
    ("kind", "layer", "groups"),
    [(Residual, "", [ONE_MAP]), (Residual, "block1", []), (Plain, "", []), (Tokens, "", [])],
)
def test_three_maps_are_one_before_global_pooling_and_a_linear_layer(
    kind: type[nn.Module], layer: str, groups: list[frozenset[str]]
) -> None:
    methods = [(key, EXPLAINERS[key].params(layer=layer)) for key in CAMS]
    found = explain(
        ExplainerInput(model(kind), pictures(3), [Target(0), Target(3), Target(1, 2)], np.arange(3)), methods
    )
    maps = {key: each.maps for (key, _), each in zip(methods, found, strict=True)}
    assert same_maps(maps) == groups


def test_maps_are_compared_up_to_scale_and_storage() -> None:
    maps = pictures(3, shape=(4, 5, 6))[:, 0].numpy()
    stored = (7 * maps).astype(np.float16).astype(np.float32)
    refused = maps.copy()
    refused[1] = np.nan
    family = {"a": maps, "b": -maps, "c": stored, "d": maps[:, :2], "e": refused, "f": 0 * maps, "g": 0 * maps}
    assert same_maps(family) == [frozenset({"a", "c", "e"})]
    assert same_maps({"a": maps, "b": maps + 0.05 * maps.max()}) == []
