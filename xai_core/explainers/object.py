"""The object itself: what a map scores that knows what people outlined, and nothing of the model."""

from __future__ import annotations

import numpy as np

from xai_core.errors import NotApplicable
from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import NoParams
from xai_core.types import Card, Explanation


@explainer(
    Card(
        key="object",
        title="Object (control)",
        summary="The object's mask: the best that a map can score on where the object is, without knowing the model.",
        blind_spot="Says nothing of the model: it never runs it.",
        needs=frozenset({"mask"}),
        class_specific=False,
        control=True,
    )
)
def object_map(given: ExplainerInput, _params: NoParams) -> Explanation:
    """1 on the object and 0 elsewhere, `(N, H, W)`. Raises NotApplicable without masks."""
    if given.masks is None:
        raise NotApplicable("no masks", remedy="Give masks: they are all that it shows.")
    return Explanation(given.masks.cpu().numpy().astype(np.float32))
