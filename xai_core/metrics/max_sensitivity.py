"""How much the map changes where the picture hardly does (Yeh et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.metrics.base import MetricInput, ModelInput, metric
from xai_core.metrics.grids import magnitude
from xai_core.metrics.hiding import unless
from xai_core.params import param
from xai_core.types import Card, Scores

SAMPLES = 10


@dataclass(frozen=True)
class SensitivityParams:
    """Of max-sensitivity."""

    samples: int = param(SAMPLES, help="pictures beside the picture", low=1, high=1000)
    radius: float = param(
        0.02, help="how far pixels are from the picture's, at most", low=0.0001, high=1.0, unit="of the 0…1 scale"
    )


@metric(
    Card(
        key="max-sensitivity",
        title="Max-sensitivity",
        summary="How much does the map change, at most, where the picture changes so little that nobody sees it?",
        blind_spot="A map that is always the same scores best, whatever it shows.",
        paper="Yeh, Hsieh, Suggala, Inouye and Ravikumar 2019, On the (In)fidelity and Sensitivity of Explanations, "
        "definition 2.2",
        needs=frozenset({"model"}),
        cost=3.0 * (SAMPLES + 1),
        aspect="robustness",
        agreement=-0.33,
        direction=-1,
        unit="largest change, as a share of the map's norm, from 0",
        scale_free=True,
    ),
    SensitivityParams,
)
def max_sensitivity(given: MetricInput, params: SensitivityParams) -> Scores:
    """max over pictures y near x of ‖Φ(y) − Φ(x)‖ ÷ ‖Φ(x)‖, for the same target and with the same seed.

    y − x is uniform within ± radius for each number of the picture on the 0…1 scale, from the sample's seed. Both maps
    are made anew, as they are drawn (rectified where zero is not meaningful): stored ones are rounded. One sample takes
    `samples` + 1 maps, about three forward passes each for the quick methods.
    """
    count = len(given.maps)
    first, reasons = _asked(given, given.model, np.zeros((count, *given.model.x.shape[1:])))
    norms = np.sqrt((first**2).sum((1, 2)))
    most = np.zeros(count)
    draws = [np.random.default_rng(int(seed) % 2**63) for seed in given.seeds]
    for _ in range(params.samples):
        change = np.stack([draw.uniform(-params.radius, params.radius, given.model.x.shape[1:]) for draw in draws])
        near, refused = _asked(given, given.model, change)
        most = np.maximum(most, np.sqrt(((near - first) ** 2).sum((1, 2))))
        reasons = [one or other for one, other in zip(reasons, refused, strict=True)]
    why = tuple(
        reason or (None if norm > 0 else "the map holds no evidence")
        for reason, norm in zip(reasons, norms, strict=True)
    )
    values = np.divide(most, norms, out=np.zeros(count), where=norms > 0)
    return Scores(unless(values, why), why)


def _asked(
    given: MetricInput, model: ModelInput, change: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[str | None]]:
    """Maps `(N, h, w)` of pictures that differ by `change` on the 0…1 scale, as they are drawn; zeros where refused."""
    import torch

    deviations = np.array(model.classifier.preprocess.std)[:, None, None]
    x = model.x + torch.from_numpy(change / deviations).to(model.x)
    made = model.explain(model.classifier, x, np.arange(len(change)))
    maps = made.maps if given.explainer.signed else magnitude(made.maps, signed=False)
    reasons = [f"no map of a picture beside it: {each}" if each else None for each in made.refusals]
    refused = np.array([each is not None for each in reasons], dtype=bool)
    return np.where(refused[:, None, None], 0, maps.astype(np.float64)), reasons
