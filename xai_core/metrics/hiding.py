"""What the model still says of pictures of which a part is hidden."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import NotApplicable
from xai_core.params import param
from xai_core.types import Array

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.metrics.base import ModelInput

Float = NDArray[np.float64]

SCORES = ("probability", "logit")
FILLS = ("black", "mean", "blur")
STEPS = 20
"""Into which a picture is divided that is hidden step by step, where nobody says otherwise."""


def fill_param(default: str) -> str:
    """What hidden pixels become. Black is what multiplying the picture's pixels does, mean what multiplying the
    model's input does."""
    made: str = param(default, help="what hides: black, the training mean, or the blurred picture", choices=FILLS)
    return made


def score_param(default: str) -> str:
    """What of the output is looked at."""
    made: str = param(
        default,
        help="what is looked at: the class's probability (of a difference, among its two classes), or the logit",
        choices=SCORES,
    )
    return made


def filled(model: ModelInput, kind: str) -> Tensor:
    """`(N, C, H, W)` what hidden pixels become, of a kind among `FILLS`."""
    from xai_core.explainers.engine.baseline import baseline

    return baseline(model.classifier, model.x, kind)


def scores(
    model: ModelInput, rows: NDArray[np.int64], pictures: Callable[[NDArray[np.int64]], Tensor], of: str
) -> Float:
    """`(P,)` what the model gives the targets, of P pictures that are made a few at a time.

    Args:
        model: with N samples.
        rows: `(P,)` whose target each picture is asked about.
        pictures: `(p,)` of the numbers 0 … P−1 -> `(p, C, H, W)`.
        of: one of `SCORES`.

    Raises:
        NotApplicable: the probability of a segmenter, whose output has one at each place.
    """
    import torch

    from xai_core.explainers.engine.batches import in_batches
    from xai_core.explainers.engine.output import logits_of, weighted

    if of == "probability" and model.weights.ndim != 2:
        raise NotApplicable("a model whose output has places has no one probability", remedy="Choose score=logit.")

    def compute(at: slice) -> Tensor:
        numbers = np.arange(len(rows))[at]
        weights = model.weights[torch.from_numpy(rows[numbers])]
        with torch.no_grad():
            output = logits_of(model.classifier, pictures(numbers)).double()
            return (probability(output, weights) if of == "probability" else weighted(output, weights)).cpu()

    parts = list(in_batches(model.classifier, model.x, compute, len(rows)))
    found: Float = torch.cat(parts).numpy()
    return found


def probability(output: Tensor, weights: Tensor) -> Tensor:
    """`(N,)` of the class among all, of a difference among its two classes: logits and weights `(N, K)`."""
    among = (weights != 0) | (weights >= 0).all(1, keepdim=True)
    return (output.masked_fill(~among, -float("inf")).softmax(1) * (weights > 0)).sum(1)


def seen_through(model: ModelInput, evidence: Array, fill: str) -> tuple[Float, Float]:
    """`(N,)` twice: the probability of the picture, and of the picture as far as it is seen through a map.

    Args:
        model: with N samples.
        evidence: `(N, H, W)` from 0, where a pixel is hidden, to 1, where it is as it was; all channels alike.
        fill: one of `FILLS`.
    """
    import torch

    hidden, count = filled(model, fill), len(evidence)
    seen = torch.from_numpy(np.concatenate([np.ones_like(evidence), evidence])).to(model.x)

    def pictures(numbers: NDArray[np.int64]) -> Tensor:
        rows = torch.from_numpy(numbers % count)
        return hidden[rows].lerp(model.x[rows], seen[numbers][:, None])

    whole, part = scores(model, np.arange(2 * count) % count, pictures, "probability").reshape(2, count)
    return whole, part


def hidden_step_by_step(
    model: ModelInput, order: NDArray[np.int64], fill: Tensor, steps: int, of: str
) -> tuple[Float, Float]:
    """`(N, steps + 1)` what the model gives as the first 0, 1/steps, … all places of an order are hidden; and
    `(steps + 1,)` which share of the places that is, exactly.

    Args:
        model: with N samples.
        order: `(N, H·W)` places of the input's grid, the first to be hidden first; all channels of a place together.
        fill: `(N, C, H, W)` what hidden places become.
        steps: into how many.
        of: one of `SCORES`.
    """
    import torch

    count, places = order.shape
    turns = np.round(np.linspace(0, places, steps + 1)).astype(np.int64)
    ranks = torch.from_numpy(np.argsort(order, axis=1).reshape(count, 1, *model.x.shape[2:])).to(model.x.device)
    rows, step = np.divmod(np.arange(count * (steps + 1)), steps + 1)
    until = torch.from_numpy(turns[step]).to(model.x.device)[:, None, None, None]

    def pictures(numbers: NDArray[np.int64]) -> Tensor:
        here = torch.from_numpy(rows[numbers])
        return torch.where(ranks[here] < until[numbers], fill[here], model.x[here])

    found = scores(model, rows, pictures, of).reshape(count, steps + 1)
    return found, turns / places


def area(curves: Float, shares: Float) -> Array:
    """`(N,)` under curves `(N, P)` at P shares from 0 to 1, by trapezoids."""
    return np.asarray(np.trapezoid(curves, shares, axis=1), np.float32)


def unless(values: NDArray[np.floating], reasons: tuple[str | None, ...]) -> Array:
    """The same as float32, NaN where there is a reason."""
    kept = np.array([reason is None for reason in reasons], dtype=bool)
    return np.where(kept.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan).astype(np.float32)
