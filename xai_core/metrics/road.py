"""Does removing what the map marks cost more than removing what it does not? (Rong et al. 2022, ROAD)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import no_evidence
from xai_core.metrics.hiding import score_param, scores, unless
from xai_core.metrics.imputation import imputed
from xai_core.params import param
from xai_core.types import Array, Card, Scores

STEPS = 5


@dataclass(frozen=True)
class RoadParams:
    """Of removal with imputation."""

    steps: int = param(
        STEPS, help="into how many the picture is divided; each but the last is removed", low=2, high=100
    )
    noise: float = param(
        0.01, help="what is added to imputed pixels", low=0.0, high=1.0, unit="standard deviations of the input"
    )
    score: str = score_param("probability")


@metric(
    Card(
        key="road",
        title="ROAD: removal with imputation",
        summary="What removing the least marked pixels leaves of the class, minus what removing the most marked "
        "leaves; removed pixels are made of those around them.",
        blind_spot="What can be guessed from around it counts as never removed: evidence that is smooth looks useless.",
        paper="Rong, Leemann, Borisov, Kasneci and Kasneci 2022, A Consistent and Efficient Evaluation Strategy for "
        "Attribution Methods, section 4",
        needs=frozenset({"model"}),
        cost=2.0 * (STEPS - 1),
        aspect="faithfulness",
        agreement=0.79,
        direction=1,
        unit="difference of probabilities, −1…1",
        scale_free=True,
        curve="share of the picture that is removed",
    ),
    RoadParams,
)
def road(given: MetricInput, params: RoadParams) -> Scores:
    """Mean over shares 1/steps … 1 − 1/steps of p(least marked removed) − p(most marked removed).

    Places are removed in the order of the map on the input's grid, all channels together; places that are alike, as
    all zeros of a rectified map are, in an order that is spread over the picture, so that a share removed is that
    share. The curve is the difference at 0, 1/steps, … 1; it is 0 at both ends, where both are the same picture.
    """
    import torch

    reasons = no_evidence(given.evidence)
    model, order, count, inner = given.model, given.order, len(given.maps), params.steps - 1
    pixels = model.x.double().cpu().numpy()
    noise = np.stack([_noise(int(seed), pixels.shape[1:], params.noise) for seed in given.seeds])
    many = np.round(np.linspace(0, order.shape[1], params.steps + 1)).astype(np.int64)[1:-1]

    def removed(number: int) -> Array:
        row, step, least = number // (2 * inner), number // 2 % inner, number % 2
        missing = np.zeros(order.shape[1], dtype=bool)
        missing[order[row, -many[step] :] if least else order[row, : many[step]]] = True
        gone = missing.reshape(given.size)
        return np.where(gone, imputed(pixels[row], gone) + noise[row], pixels[row]).astype(np.float32)

    def pictures(numbers: NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(np.stack(list(pool.map(removed, numbers.tolist())))).to(model.x)

    rows = np.arange(count * inner * 2) // (2 * inner)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # the solver lets go of the interpreter
        found = scores(model, rows, pictures, params.score).reshape(count, inner, 2)
    gaps = found[:, :, 1] - found[:, :, 0]
    curves = np.pad(gaps, ((0, 0), (1, 1)))
    return Scores(unless(gaps.mean(axis=1), reasons), reasons, unless(curves, reasons))


def _noise(seed: int, shape: tuple[int, ...], deviation: float) -> NDArray[np.float64]:
    return np.random.default_rng(seed % 2**63).standard_normal(shape) * deviation
