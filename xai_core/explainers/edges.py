"""An edge detector: what a map looks like that knows nothing of the model."""

from __future__ import annotations

import numpy as np

from xai_core.explainers.base import ExplainerInput, explainer
from xai_core.params import NoParams
from xai_core.types import Card, Explanation


@explainer(
    Card(
        key="edges",
        title="Edges (control)",
        summary="The picture's edges: a method that resembles this one may show the picture, not the model.",
        blind_spot="Says nothing of the model: it never runs it.",
        paper="Adebayo et al. 2018, Sanity Checks for Saliency Maps, section 5 (the control); Sobel's operator",
        class_specific=False,
        control=True,
    )
)
def edges(given: ExplainerInput, _params: NoParams) -> Explanation:
    """√(S_x² + S_y²) of the picture's mean over channels on the 0…1 scale; S is Sobel's operator, ≥ 0."""
    from scipy.ndimage import sobel

    std = np.array(given.classifier.preprocess.std, np.float32)[:, None, None]
    # Subtracting a mean moves no edge.
    grey = (given.x.cpu().numpy() * std).mean(1)
    # One by one: scipy's operator smooths along every other axis, samples included.
    return Explanation(np.stack([np.hypot(sobel(one, 0), sobel(one, 1)) for one in grey]).astype(np.float32))
