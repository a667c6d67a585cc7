"""Every method on a segmenter whose reasons are known: the object, a context that was planted, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles.planted import held, planted
from tests.oracles.table import OF_CLASSIFIERS, TABLE
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.gradient_shap import ShapLayerParams, ShapParams
from xai_core.explainers.integrated_gradients import IGParams
from xai_core.explainers.lrp import LrpParams
from xai_core.explainers.occlusion import OcclusionParams

PARAMS = {
    "occlusion": OcclusionParams(window=0.1, stride=0.05),
    "shap": ShapParams(samples=8, background=2),
    "shap_layer": ShapLayerParams(samples=8, background=2),
}
METHODS = [key for key in OF_CLASSIFIERS if EXPLAINERS[key].card.class_specific and not EXPLAINERS[key].card.control]
EXACT = [
    *((key, None) for key in ("hirescam", "input_x_gradient", "deeplift")),
    *((key, PARAMS[key]) for key in ("shap", "shap_layer")),
    *(("lrp", LrpParams(composite)) for composite in ("epsilon-plus-flat", "gamma", "epsilon")),
    ("ig", IGParams(steps=256)),
]
"""What shares the score itself: the net is linear in its layer, and black adds nothing."""


def shares(key: str, context: float = 6.0) -> np.ndarray:
    """`(2, 3)`: how much of the size of what the three squares hold lies on each."""
    (found,) = explain(planted(context).given, [(key, PARAMS.get(key, TABLE[key].params))])
    assert found.refusals == (None, None)
    sizes = held(np.abs(found.maps))
    return sizes / sizes.sum(1, keepdims=True)


@pytest.mark.parametrize(("key", "params"), EXACT)
def test_each_square_gets_what_it_added_to_the_regions_score(key: str, params: object) -> None:
    scene = planted()
    (found,) = explain(scene.given, [(key, params)])
    np.testing.assert_allclose(held(found.maps), scene.amounts, rtol=5e-3, atol=1e-3)
    np.testing.assert_allclose(found.maps.sum((1, 2)), scene.amounts.sum(1), rtol=5e-3)


@pytest.mark.parametrize("key", METHODS)
def test_no_method_shows_what_is_no_reason(key: str) -> None:
    (_, _, other), (thing, context, own) = shares(key)
    assert other < 0.01
    assert own > 0.98 > 0.02 > thing + context


@pytest.mark.parametrize("key", METHODS)
def test_a_planted_context_draws_evidence_away_from_the_region(key: str) -> None:
    """What lies outside of the region rises with what the context is worth; without one there is next to none."""
    without, some, much = (shares(key, context)[0, 1] for context in (0.0, 3.0, 12.0))
    assert without < 0.01
    assert without < some < much or (key == "scorecam" and without <= some <= much)
