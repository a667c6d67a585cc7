"""Class activation maps of several methods, out of one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xai_core.explainers.engine.batches import in_batches
from xai_core.explainers.engine.layer_pass import Round, rounds
from xai_core.explainers.engine.output import unreached
from xai_core.types import Array, Explanation

if TYPE_CHECKING:
    from xai_core.explainers.base import Explainer, ExplainerInput, Formula


NO_GRADIENT = "no gradient of the target reaches the layer"


class Piece(NamedTuple):
    """Maps `(n, h, w)` of every method for the targets at `positions` `(n,)`; `dead` `(n,)`: all gradients are 0."""

    positions: NDArray[np.int64]
    dead: NDArray[np.bool_]
    maps: list[Array]


def cams(given: ExplainerInput, rows: NDArray[np.int64], members: Sequence[Explainer], layer: str) -> list[Explanation]:
    """One explanation per member, each of N targets on M samples (see `explain`).

    Raises:
        NotFound, NotApplicable: as `rounds`; also where all methods need a gradient and no target has one.
    """
    classifier, x = given.classifier, given.x
    asking = ["gradients" in member.card.needs for member in members]
    formulas = [member.formula for member in members if member.formula]
    weights = given.weights if any(asking) else None

    def part(at: slice) -> list[Piece]:
        chosen = np.flatnonzero((rows >= at.start) & (rows < at.stop))
        here = None if weights is None else weights[chosen]
        found = rounds(classifier, x[at], rows[chosen] - at.start, here, layer) if len(chosen) else ()
        return [_piece(chosen[each.positions], each, formulas) for each in found]

    pieces = [piece for pieces in in_batches(classifier, x, part, len(x)) for piece in pieces]
    order = np.argsort(np.concatenate([piece.positions for piece in pieces]))
    dead = np.concatenate([piece.dead for piece in pieces])[order]
    if dead.all() and all(asking):
        raise unreached(classifier, layer, "no gradient of the target reaches this layer")
    reasons = tuple(NO_GRADIENT if row else None for row in dead)
    maps = [np.concatenate(of_member)[order] for of_member in zip(*(piece.maps for piece in pieces), strict=True)]
    return [Explanation(found, refusals=reasons if asks else ()) for found, asks in zip(maps, asking, strict=True)]


def _piece(positions: NDArray[np.int64], found: Round, formulas: Sequence[Formula]) -> Piece:
    dead = ~found.gradients.flatten(1).any(1)
    maps = [formula(found.activations, found.gradients).cpu().numpy() for formula in formulas]
    return Piece(positions, dead.cpu().numpy(), maps)
