"""Relevance of a region through upsampling, dilated convolutions, image pooling and concatenation: it is conserved."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles.segmenters import given
from xai_core.errors import NotApplicable
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.lrp import LrpParams

SIZE = 48
CASES = [
    ("small_unet", ("epsilon-plus-flat", "gamma", "epsilon")),
    ("deeplabv3_mobilenet_v2", ("epsilon-plus-flat",)),
    ("unet_mobilenet_v2", ("epsilon-plus-flat",)),
    ("fcn_resnet50", ("epsilon-plus-flat", "gamma", "epsilon")),
    ("deeplabv3_resnet50", ("epsilon-plus-flat", "gamma", "epsilon")),
    ("deeplabv3_resnet101", ("epsilon-plus-flat",)),
]
PAIRS = [
    pytest.param(key, composite, marks=[pytest.mark.slow] * ("resnet" in key))
    for key, composites in CASES
    for composite in composites
]


@pytest.mark.parametrize(("key", "composite"), PAIRS)
def test_relevance_of_a_region_is_conserved_within_two_percent(key: str, composite: str) -> None:
    """Or the map is refused, because the head's bias turns the region's sign around."""
    (found,) = explain(given(key, SIZE), [("lrp", LrpParams(composite))])
    kept = [why is None for why in found.refusals]
    assert sum(kept) >= 2
    assert all("bias alone decides" in why for why in found.refusals if why)
    np.testing.assert_allclose(found.diagnostics["conservation"][kept], 1, atol=0.02)
    assert np.abs(found.maps[kept]).max() > 0


@pytest.mark.parametrize(
    ("key", "composite", "why"),
    [
        (
            "deeplabv3_mobilenet_v3_large",
            "epsilon-plus-flat",
            r"no rule for a part of this model: backbone\.\S* \(Hard",
        ),
        ("lraspp_mobilenet_v3_large", "epsilon-plus-flat", r"no rule for a part of this model: backbone\.\S* \(Hard"),
        ("deeplabv3_mobilenet_v2", "gamma", "negative inputs of a convolution, under the rules of gamma"),
    ],
)
def test_what_has_no_rule_is_refused_by_name_in_one_line(key: str, composite: str, why: str) -> None:
    with pytest.raises(NotApplicable, match=why) as refusal:
        explain(given(key, SIZE), [("lrp", LrpParams(composite))])
    assert "\n" not in str(refusal.value)
