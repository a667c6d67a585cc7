"""What the model still says of pictures of which a part is hidden."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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

    return model.memo.get(("fill", kind), lambda: baseline(model.classifier, model.x, kind))


def whole(model: ModelInput, of: str) -> Float:
    """`(N,)` what the model gives the pictures as they are; see `scores`."""
    return model.memo.get(("whole", of), lambda: _of_each(model, model.x, of))


def blank(model: ModelInput, fill: str, of: str) -> Float:
    """`(N,)` the same with every pixel hidden."""
    return model.memo.get(("blank", fill, of), lambda: _of_each(model, filled(model, fill), of))


def _of_each(model: ModelInput, pictures: Tensor, of: str) -> Float:
    return scores(model, np.arange(len(pictures)), lambda numbers: pictures[numbers.tolist()], of)


def scores(
    model: ModelInput, rows: NDArray[np.int64], pictures: Callable[[NDArray[np.int64]], Tensor], of: str
) -> Float:
    """`(P,)` what the model gives the targets, of P pictures that are made a few at a time.

    Args:
        model: with N samples.
        rows: `(P,)` whose target each picture is asked about.
        pictures: `(p,)` of the numbers 0 … P−1 -> `(p, C, H, W)`.
        of: one of `SCORES`.
    """
    import torch

    from xai_core.explainers.engine.batches import in_batches
    from xai_core.explainers.engine.output import logits_of, weighted

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
    """`(N,)` of the class among all, of a difference among its two classes: logits and weights `(N, K, *P)`.

    Of a segmenter the mean over the places of the region, each counting as much as it is in it.
    """
    among = (weights != 0) | (weights >= 0).all(1, keepdim=True)
    at_each = (output.masked_fill(~among, -float("inf")).softmax(1) * (weights > 0)).sum(1)
    if output.ndim == 2:
        return at_each
    region = weights.clamp(min=0).amax(1)
    return (at_each * region).flatten(1).sum(1) / region.flatten(1).sum(1)


def seen_through(model: ModelInput, evidence: Array, fill: str) -> Float:
    """`(N,)` the probability of the picture as far as it is seen through a map.

    Args:
        model: with N samples.
        evidence: `(N, H, W)` from 0, where a pixel is hidden, to 1, where it is as it was; all channels alike.
        fill: one of `FILLS`.
    """
    import torch

    shown, hidden = torch.from_numpy(evidence).to(model.x)[:, None], filled(model, fill)
    return _of_each(model, hidden.lerp(model.x, shown), "probability")


def hidden_step_by_step(
    model: ModelInput, order: NDArray[np.int64], fill: str, steps: int, of: str
) -> tuple[Float, Float]:
    """`(N, steps + 1)` what the model gives as the first 0, 1/steps, … all places of an order are hidden; and
    `(steps + 1,)` which share of the places that is, exactly.

    Args:
        model: with N samples.
        order: `(N, H·W)` places of the input's grid, the first to be hidden first; all channels of a place together.
        fill: what hidden places become, one of `FILLS`.
        steps: into how many.
        of: one of `SCORES`.
    """
    import torch

    count, places = order.shape
    turns = np.round(np.linspace(0, places, steps + 1)).astype(np.int64)
    ranks = np.empty_like(order, dtype=np.int32)
    np.put_along_axis(ranks, order, np.arange(places, dtype=np.int32)[None], axis=1)
    when = torch.from_numpy(ranks.reshape(count, 1, *model.x.shape[2:])).to(model.x.device)
    rows, step = np.divmod(np.arange(count * (steps - 1)), max(steps - 1, 1))
    until = torch.from_numpy(turns[1 + step].astype(np.int32)).to(model.x.device)[:, None, None, None]
    hidden = filled(model, fill)

    def pictures(numbers: NDArray[np.int64]) -> Tensor:
        here = torch.from_numpy(rows[numbers])
        return torch.where(when[here] < until[numbers], hidden[here], model.x[here])

    ends = whole(model, of), blank(model, fill, of)  # the same for every map and for both directions
    between = scores(model, rows, pictures, of).reshape(count, steps - 1)
    return np.concatenate([ends[0][:, None], between, ends[1][:, None]], axis=1), turns / places


def area(curves: Float, shares: Float) -> Array:
    """`(N,)` under curves `(N, P)` at P shares from 0 to 1, by trapezoids."""
    return np.asarray(np.trapezoid(curves, shares, axis=1), np.float32)


def unless(values: NDArray[np.floating], reasons: tuple[str | None, ...]) -> Array:
    """The same as float32, NaN where there is a reason."""
    kept = np.array([reason is None for reason in reasons], dtype=bool)
    return np.where(kept.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan).astype(np.float32)
