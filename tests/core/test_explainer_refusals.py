"""What explainers refuse, each with one clear error: bad input, models without logits, layers, single rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.core.explainer_cases import RUN_MODEL, run
from tests.oracles.models import CLASSES, Plain, Tokens, model, one_dead_row, pictures, wrap
from xai_core.errors import BadInput, NotApplicable
from xai_core.explainers import ExplainerInput
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.plan import explain
from xai_core.types import Target


class Tuple(Plain):
    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x), None


class Dict(Plain):
    def forward(self, x: torch.Tensor) -> Any:
        return {"out": super().forward(x)}


@pytest.mark.parametrize("key", RUN_MODEL)
@pytest.mark.parametrize("kind", [Tuple, Dict])
def test_refuses_a_model_without_logits(key: str, kind: type[nn.Module]) -> None:
    with pytest.raises(NotApplicable, match=r"tensor of logits.*(tuple|dict)"):
        run(wrap(kind(), "features"), key)


@pytest.mark.parametrize("key", RUN_MODEL)
def test_refuses_too_many_outputs(key: str) -> None:
    with pytest.raises(NotApplicable, match="wrong shape for 5 classes"):
        run(wrap(Plain(classes=7), "features"), key)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"x": pictures(1)[:, :2]}, "wrong shape"),
        ({"x": pictures(1)[0]}, "wrong shape"),
        ({"x": pictures(1)[:0]}, "wrong shape"),
        ({"x": pictures(1) * torch.inf}, "NaN or infinity: row 0"),
        ({"x": pictures(1) * torch.nan}, "NaN or infinity: row 0"),
        ({"targets": [Target(CLASSES)]}, "no class of this index: 5. Choose from 0 to 4"),
        ({"targets": [Target(-1)]}, "no class of this index"),
        ({"targets": [Target(1, 9)]}, "no class of this index: 9"),
        ({"targets": [Target(1, 1)]}, "difference of a class and itself"),
        ({"targets": []}, "unequal lengths"),
        ({"seeds": np.arange(2)}, "unequal lengths"),
        ({"methods": [("shap", None)], "background": None}, "needs background"),
        ({"methods": [("shap", None)], "background": pictures(2)[:, :1]}, "background has the wrong shape"),
        ({"methods": [("shap", None)], "background": pictures(2) * torch.nan}, "background holds NaN"),
    ],
)
def test_refuses_bad_input(change: dict[str, Any], match: str) -> None:
    request = {"x": pictures(1), "targets": [Target(0)], "methods": [("gradcam", None)], "seeds": np.arange(1)} | change
    methods = request.pop("methods")
    with pytest.raises(BadInput, match=match):
        explain(ExplainerInput(model(Plain), **request), methods)


def test_tokens_that_no_gradient_reaches_are_refused() -> None:
    """The last norm of a transformer: only the class token is read there, and it is not on the grid."""
    with pytest.raises(NotApplicable, match="no gradient of the target reaches"):
        run(model(Tokens), "gradcam", params=CamParams(layer="norm"))


def test_one_dead_row_is_refused_alone() -> None:
    classifier, x = one_dead_row()
    found = run(classifier, "gradcam", x=x)
    assert [reason is not None for reason in found.refusals] == [False, True, False, False]
    assert np.isnan(found.maps[1]).all()


@pytest.mark.parametrize("key", ["gradcam", "ig", "shap"])
def test_a_model_that_gives_nan_is_refused_row_by_row(key: str) -> None:
    class Overflow(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            bright = x.flatten(1).mean(1, keepdim=True) > 5
            return super().forward(x) * torch.where(bright, torch.nan, 1.0)

    x = pictures(4)
    x[2] += 20
    found = run(wrap(Overflow(), "features"), key, x=x)
    assert [reason is not None for reason in found.refusals] == [False, False, True, False]
    assert "not finite" in str(found.refusals[2])
