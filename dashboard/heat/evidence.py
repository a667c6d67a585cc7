"""The maps of some samples as the page shows them: what is stored, what is still to come, what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dashboard.drawing.tiles import heat_tile
from dashboard.frame.context import Context
from xai_core.answers import maps
from xai_core.answers.maps import Column, MapFacts
from xai_core.drawing.looks import Fade, fade_of
from xai_core.drawing.seen import seen_size
from xai_core.params import as_dict, assignments
from xai_core.triage.looks import LOOKS, MEANING, Look
from xai_core.triage.normalise import Scaling
from xai_core.types import Specs
from xai_core.words import percent
from xai_core.worker.requests import Explain


@dataclass(frozen=True)
class Panel:
    """One map of one sample.

    Attributes:
        address: of its tile; None where there is none.
        facts: what there is to say of it.
        picture: address of the tile under it; None for the sample's own.
        note: a few words under it.
        fade: where the picture under it fades to, so that the map can be read; None where it keeps its colours.
    """

    address: str | None = None
    facts: MapFacts = field(default_factory=MapFacts)
    picture: str | None = None
    note: str = ""
    fade: Fade | None = None

    @property
    def reason(self) -> str | None:
        """Why it is refused; None where it is not."""
        return self.facts.reason

    @property
    def missing(self) -> bool:
        """Whether it is still to be computed."""
        return self.facts.state == "missing"


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
    return placed(context, column, rows, keys, seen_sizes(context, rows))


def placed(
    context: Context, column: Column, rows: NDArray[np.int64], keys: Sequence[str], seen: Sequence[tuple[float, float]]
) -> list[Panel]:
    """As `panels_of`, of pictures of which the model sees parts of the sizes `seen`."""
    facts = maps.found(column, rows, keys, scaling(context), look(context))
    places = zip(facts, rows.tolist(), keys, seen, strict=True)
    return [_panel(context, column, *place) for place in places]


def seen_sizes(context: Context, rows: NDArray[np.int64]) -> list[tuple[float, float]]:
    """Width and height of what the model sees of each picture; of all at once, as a table is slow to be asked."""
    preprocess = context.scope.run.info.preprocess
    sizes: list[tuple[int, int]] = [
        (width, height) for width, height in context.study.samples[["width", "height"]].to_numpy(int)[rows].tolist()
    ]
    known = {size: seen_size(preprocess, *size) for size in set(sizes)}
    return [known[size] for size in sizes]


def _panel(context: Context, column: Column, facts: MapFacts, row: int, key: str, seen: tuple[float, float]) -> Panel:
    address = None if facts.scale is None else _address(context, column, facts.scale, row, key, seen)
    return Panel(address, facts, fade=fade_of(look(context), signed=column.card.signed, fine=facts.fine))


def scaling(context: Context) -> Scaling:
    """Whether maps have a scale each, or those of a method share one."""
    return "shared" if context.selection.normalise == "shared" else "per image"


def look(context: Context) -> Look:
    """As what maps are drawn."""
    chosen = [one for one in LOOKS if one == context.selection.look]
    return chosen[0] if chosen else "heat"


def full_colour(panel: Panel) -> str:
    """What full colour is in this map, as a number, and how much of it is stronger."""
    facts = panel.facts
    if facts.scale is None:
        return ""
    cut = f", {percent(facts.clipped)} of the map is stronger" if facts.clipped else ""
    return f"Full colour: {facts.scale:.3g}{cut}."


def legend_notes(context: Context, panels: Iterable[Panel]) -> list[str]:
    """What must be said beside these maps: how they are drawn, what full colour is."""
    how = look(context)
    return [text for text in (MEANING[how], maps.scale_note((p.facts for p in panels), scaling(context), how)) if text]


def _address(context: Context, column: Column, scale: float, row: int, key: str, seen: tuple[float, float]) -> str:
    assert column.maps is not None, "a stored map is in a store"
    tiles, signed = context.services.tiles, column.card.signed
    return heat_tile(tiles, column.maps, row, key, signed=signed, scale=scale, seen=seen, look=look(context))


def request(
    context: Context,
    wanted: Sequence[Column],
    rows: NDArray[np.int64],
    specs: Specs | None = None,
    *,
    weights: str = "trained",
    urgent: bool = True,
    owner: str = "",
) -> str:
    """Ask the worker, in the name of `owner`, for maps of these rows, of all targets at once; returns the job's id.

    What is stored is not computed again.
    """
    asked = Explain(
        context.study.path,
        context.scope.run.name,
        [int(row) for row in rows],
        specs or context.selection.target,
        [(column.card.key, as_dict(column.params)) for column in wanted],
        weights,
        urgent,
    )
    return context.services.worker.ask(asked, owner=owner)
