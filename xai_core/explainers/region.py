"""The region itself: what a map scores that repeats what was asked about, and knows nothing of the model's reasons."""

from __future__ import annotations

import numpy as np

from xai_core.errors import NotApplicable
from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import NoParams
from xai_core.types import Card, Explanation

NO_PLACES = "a classifier's output has no places, so its target has no region"


@explainer(
    Card(
        key="region",
        title="Region (control)",
        summary="The region of a segmenter's output that is explained, such as what it calls a class: a method that "
        "resembles this one may repeat the prediction rather than show its reasons.",
        blind_spot="Says nothing of the model's reasons: it never runs it.",
        needs=frozenset({"region"}),
        control=True,
    )
)
def region(given: ExplainerInput, _params: NoParams) -> Explanation:
    """How much of each pixel is in the target's region, from 0 to 1, `(N, H, W)`; 1 everywhere where all places count.

    Raises:
        NotApplicable: a classifier.
    """
    from xai_core.models.wrappers import resized

    if not given.classifier.output_size:
        raise NotApplicable(NO_PLACES, remedy="Use the controls edges, centre and random.")
    size = given.x.shape[-2:]
    if given.regions is None:
        return Explanation(np.ones((len(given.x), *size), np.float32))
    return Explanation(resized(given.regions[:, None].float(), size)[:, 0].cpu().numpy())
