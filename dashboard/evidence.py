"""The maps of some samples as the page shows them: what is stored, what is still to come, what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dashboard.context import Context
from dashboard.tiles import heat_tile, seen_size
from xai_core.answers import maps
from xai_core.answers.maps import Column
from xai_core.params import as_dict, assignments
from xai_core.store.maps import REFUSED, STORED, StoredMaps
from xai_core.triage.normalise import PERCENTILE, Scaling, evidence, limits

COARSE = 20
"""Maps of at most this many pixels a side come from a layer: their maximum is the scale, not a quantile."""

CONSERVED_WITHIN = 0.02


@dataclass(frozen=True)
class Panel:
    """One map of one sample.

    Attributes:
        address: of its tile; None where there is none.
        reason: why it is refused; None where it is not.
        caution: what to know before trusting it; None where there is nothing.
        scale: the value drawn as full strength; None where there is no map.
        diagnostics: what the method says of this map, by name.
        picture: address of the tile under it; None for the sample's own.
        note: a few words under it.
    """

    address: str | None = None
    reason: str | None = None
    caution: str | None = None
    scale: float | None = None
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    picture: str | None = None
    note: str = ""

    @property
    def missing(self) -> bool:
        """Whether it is still to be computed."""
        return self.address is None and self.reason is None


def columns(context: Context, methods: Sequence[str] | None = None, *, weights: str = "trained") -> list[Column]:
    """Those of the chosen methods (or of `methods`) that can be used on the chosen run, with the chosen settings.

    Args:
        weights: `trained`, or `randomised:SEED`: the model whose maps they are.
    """
    chosen = context.selection
    given = assignments(list(chosen.settings))
    return maps.columns(
        context.run, chosen.methods if methods is None else methods, given, layer=chosen.layer, weights=weights
    )


def target_keys(context: Context, rows: NDArray[np.int64], spec: str | None = None) -> list[str]:
    """What the chosen target (or `spec`) resolves to for each row, as maps are kept by."""
    return maps.target_keys(context.scope.run, rows, spec or context.selection.target)


def panels(context: Context, column: Column, rows: NDArray[np.int64], spec: str | None = None) -> list[Panel]:
    """One panel per row; drawing happens when the browser asks."""
    return panels_of(context, column, rows, target_keys(context, rows, spec))


def panels_of(context: Context, column: Column, rows: NDArray[np.int64], keys: Sequence[str]) -> list[Panel]:
    """One panel per pair of row and resolved target."""
    if column.maps is None:
        return [Panel()] * len(rows)
    stored = column.maps.get(rows, keys)
    shown = evidence(stored.maps, signed=column.card.signed)
    coarse = bool(shown.size) and max(shown.shape[1:]) <= COARSE
    scaling: Scaling = "shared" if context.selection.normalise == "shared" else "per image"
    scales = limits(shown, scaling=scaling, percentile=100.0 if coarse else PERCENTILE)
    found = []
    for i, row in enumerate(rows):
        if stored.state[i] == STORED:
            scale = float(scales[i]) or 1.0
            address = _address(context, column, scale, int(row), keys[i])
            found.append(Panel(address, caution=_caution(stored, i), scale=scale, diagnostics=_diagnostics(stored, i)))
        else:
            found.append(Panel(reason=stored.refusals[i] if stored.state[i] == REFUSED else None))
    return found


def _address(context: Context, column: Column, scale: float, row: int, key: str) -> str:
    assert column.maps is not None, "a stored map is in a store"
    sample = context.study.samples.iloc[row]
    seen = seen_size(context.scope.run.info.preprocess, int(sample["width"]), int(sample["height"]))
    tiles, signed = context.services.tiles, column.card.signed
    return heat_tile(tiles, column.maps, row, key, signed=signed, scale=scale, seen=seen)


def _diagnostics(stored: StoredMaps, i: int) -> dict[str, float]:
    return {name: float(values[i]) for name, values in stored.diagnostics.items() if np.isfinite(values[i])}


def _caution(stored: StoredMaps, i: int) -> str | None:
    ratio = stored.diagnostics.get("conservation")
    if ratio is None or not np.isfinite(ratio[i]) or abs(ratio[i] - 1) <= CONSERVED_WITHIN:
        return None
    return f"Relevance is not conserved: {100 * ratio[i]:.0f} % of the output arrives at the input (100 % is ideal)."


def request(
    context: Context,
    wanted: Sequence[Column],
    rows: NDArray[np.int64],
    spec: str | None = None,
    *,
    weights: str = "trained",
    urgent: bool = True,
    owner: str = "",
) -> str:
    """Ask the worker, in the name of `owner`, for the maps of these rows; returns the job's id.

    What is stored is not computed again.
    """
    return context.services.worker.explain(
        study=context.study.path,
        run=context.scope.run.name,
        rows=[int(row) for row in rows],
        target=spec or context.selection.target,
        methods=[(column.card.key, as_dict(column.params)) for column in wanted],
        weights=weights,
        urgent=urgent,
        owner=owner,
    )
