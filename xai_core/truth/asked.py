"""Maps of methods for models whose truth is known, as metrics get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.metrics import MetricInput, ModelInput
from xai_core.truth.constructed import Case
from xai_core.types import Explanation

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier


def given(case: Case, method: str, params: Any = None) -> MetricInput:
    """All that a metric may need of a method's maps of a case.

    The background of methods that need one are the case's own pictures; the mask are the patches that count.

    Args:
        case: a model with pictures.
        method: key of an explainer.
        params: an instance of its params type; None for the defaults.

    Raises:
        NotApplicable: a method that cannot be used with this model.
    """
    import torch

    from xai_core.explainers.engine.output import weights_of
    from xai_core.explainers.engine.plan import explain

    member = EXPLAINERS[method]
    params = member.params() if params is None else params
    x = torch.from_numpy(np.stack([case.classifier.preprocess(picture) for picture in case.pictures]))
    targets, seeds, masks = case.targets, np.arange(len(x)), torch.from_numpy(case.objects)

    def again(classifier: Classifier, inputs: Tensor, rows: NDArray[np.int64], /) -> Explanation:
        chosen = [targets[row] for row in rows]
        asked = ExplainerInput(classifier, inputs, chosen, seeds[rows], masks=masks[rows], background=x)
        return explain(asked, [(method, params)])[0]

    made = again(case.classifier, x, seeds)
    model = ModelInput(case.classifier, x, weights_of(case.classifier, targets), again)
    known = np.ones(len(x), bool)
    card = member.card_for(params)
    return MetricInput(made.maps, card, targets, seeds, case.objects, known, made.refusals, model, case.parts)
