"""Does the map tell what the output loses when patches are hidden? (Yeh et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.grids import magnitude, no_evidence, on_grid
from xai_core.metrics.hiding import fill_param, filled, score_param, scores, unless, whole
from xai_core.params import param
from xai_core.types import Card, Scores

PATCHES = 24


@dataclass(frozen=True)
class InfidelityParams:
    """Of infidelity."""

    patches: int = param(PATCHES, help="hidden one at a time", low=2, high=1000)
    side: float = param(0.25, help="of a patch, as a share of each of the picture's", low=0.01, high=0.9)
    fill: str = fill_param("mean")
    score: str = score_param("logit")


@metric(
    Card(
        key="infidelity",
        title="Infidelity",
        summary="How far is what the map tells of hidden patches from what the output loses?",
        blind_spot="Patches of one size, hidden one at a time. A map may be right and fail because it was made to show "
        "regions, not sums: it is asked for sums.",
        paper="Yeh, Hsieh, Suggala, Inouye and Ravikumar 2019, On the (In)fidelity and Sensitivity of Explanations, "
        "section 2 (square removal, optimal scaling)",
        needs=frozenset({"model"}),
        cost=PATCHES + 1.0,
        aspect="faithfulness",
        agreement=0.68,
        direction=-1,
        unit="share of the mean squared loss that is not told, 0…1",
        scale_free=True,
    ),
    InfidelityParams,
)
def infidelity(given: MetricInput, params: InfidelityParams) -> Scores:
    """min over a ≥ 0 of E[(a·u − v)²] ÷ E[v²], over patches at random places from each sample's seed.

    u is the sum of the map over a patch, on the input's grid; v is what the output loses when the patch is hidden, all
    channels together. a is the scale that fits best, so that maps without a unit can be asked; that it is not negative
    keeps a map and its negative apart. Beside it `change`, √E[v²].
    """
    import torch

    model, count, each = given.model, len(given.maps), params.patches
    tall, wide = (max(1, round(side * params.side)) for side in given.size)
    corners = np.stack([_corners(int(seed), given.size, (tall, wide), each) for seed in given.seeds])
    fill, rows = filled(model, params.fill), np.arange(count * each) // each
    high, broad = (np.arange(side) for side in given.size)

    def pictures(numbers: NDArray[np.int64]) -> torch.Tensor:
        top, left = corners.reshape(-1, 2)[numbers].T[:, :, None]
        down, across = (high >= top) & (high < top + tall), (broad >= left) & (broad < left + wide)
        gone = torch.from_numpy(down[:, None, :, None] & across[:, None, None, :]).to(model.x.device)
        here = torch.from_numpy(rows[numbers])
        return torch.where(gone, fill[here], model.x[here])

    lost = whole(model, params.score)[:, None] - scores(model, rows, pictures, params.score).reshape(count, each)
    evidence = _evidence(given)
    told, change = _sums(evidence, corners, (tall, wide)), (lost**2).mean(axis=1)
    pairs = zip(no_evidence(evidence), change, strict=True)
    reasons = tuple(reason or (None if each > 0 else "no patch changes the output") for reason, each in pairs)
    agreement, scale = (told * lost).mean(axis=1), (told**2).mean(axis=1) * change
    cosine = np.divide(agreement, np.sqrt(scale), out=np.zeros(count), where=scale > 0)
    values = 1 - np.maximum(cosine, 0).clip(max=1) ** 2
    return Scores(unless(values, reasons), reasons, beside={"change": np.sqrt(change).astype(np.float32)})


def _evidence(given: MetricInput) -> NDArray[np.float64]:
    """The map on the input's grid, as it is drawn: what lies below zero counts where zero is meaningful."""
    maps = given.maps if given.explainer.signed else magnitude(given.maps, signed=False)
    most = np.abs(maps).max(axis=(1, 2), keepdims=True).astype(np.float64)
    return on_grid(np.divide(maps, most, out=np.zeros(maps.shape), where=most > 0), given.size)


def _corners(seed: int, size: tuple[int, int], patch: tuple[int, int], count: int) -> NDArray[np.int64]:
    """`(count, 2)` upper left corners, the picture's whole patches only."""
    draw = np.random.default_rng(seed % 2**63)
    return np.stack([draw.integers(0, side - part + 1, count) for side, part in zip(size, patch, strict=True)], axis=1)


def _sums(evidence: NDArray[np.float64], corners: NDArray[np.int64], patch: tuple[int, int]) -> NDArray[np.float64]:
    """`(N, P)` of maps over patches, from running sums."""
    running = np.pad(evidence, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    rows, top, left = np.arange(len(evidence))[:, None], corners[:, :, 0], corners[:, :, 1]
    low, right = top + patch[0], left + patch[1]
    total = running[rows, low, right] - running[rows, top, right] - running[rows, low, left] + running[rows, top, left]
    return np.asarray(total)
