"""What maps of one sample explain, and what there is of them: the same for classes of pictures and of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xai_core.answers.lines import table
from xai_core.answers.maps import (
    Column,
    MapFacts,
    found,
    no_heatmaps,
    one_map,
    refusals,
    same,
    same_for_every_class,
)
from xai_core.answers.on_object import on_object, seen_masks
from xai_core.answers.scope import Rows, Scope
from xai_core.store.run import Run
from xai_core.triage.looks import Look
from xai_core.triage.normalise import Scaling
from xai_core.types import Target
from xai_core.words import percent


@dataclass(frozen=True)
class Explained:
    """One thing that maps explain.

    Attributes:
        spec: as it is asked for.
        target: what that is for this sample.
        title: in parts, every second a class name. note: the role and the probability of the class.
    """

    spec: str
    target: Target
    title: tuple[str, ...]
    note: str


def maps_of(
    columns: Sequence[Column], row: int, wanted: Sequence[Explained], scaling: Scaling, look: Look
) -> list[list[MapFacts]]:
    """For each method what there is to say of its map for each target."""
    rows, keys = np.full(len(wanted), row), [one.target.key for one in wanted]
    return [found(column, rows, keys, scaling, look) for column in columns]


def on_mask(
    run: Run,
    columns: Sequence[Column],
    row: int,
    wanted: Sequence[Explained],
    facts: Sequence[Sequence[MapFacts]],
) -> list[list[MapFacts]]:
    """The same, with how much of the evidence lies on the sample's mask, where it has one."""
    keys = [one.target.key for one in wanted]
    masks = seen_masks(run, row, keys)
    shares = [on_object(column.card, column.maps, row, keys, masks) for column in columns]
    return [
        [replace(one, on_object=share) for one, share in zip(of_method, of_shares, strict=True)]
        for of_method, of_shares in zip(facts, shares, strict=True)
    ]


def said_of_maps(
    scope: Scope, columns: Sequence[Column], facts: Sequence[Sequence[MapFacts]], rows: Rows, spec: str
) -> list[str]:
    """What must be known of maps before they are looked at, a sentence each."""
    not_about, none = same_for_every_class(columns), no_heatmaps(scope.run)
    return [
        *([none] if none else []),
        *refusals(columns, facts),
        *([not_about] if not_about else []),
        *one_map(same(scope.run, columns, rows, spec)),
    ]


def map_words(facts: MapFacts) -> str:
    """What there is of one map, in a line."""
    if facts.state == "refused":
        return f"refused: {facts.reason}"
    if facts.state == "missing":
        return "not computed yet"
    notes = [f"{note.text}{' (!)' if note.odd else ''}" for note in facts.notes]
    cut = [f"{percent(facts.clipped)} of it stronger"] if facts.clipped else []
    return " · ".join([f"stored, full colour {facts.scale:.3g}", *cut, *notes])


def evidence_words(wanted: Sequence[Explained], maps: Mapping[str, Sequence[MapFacts]]) -> list[str]:
    """For each that is explained a paragraph: what there is of each method's map, by its title."""
    paragraphs = []
    for place, one in enumerate(wanted):
        lines = [(title, map_words(of_method[place])) for title, of_method in maps.items()]
        paragraphs.append(f"{''.join(one.title)} ({one.note})\n{table(lines)}".rstrip())
    return paragraphs


def how_to_make(maps: Mapping[str, Sequence[MapFacts]], commands: Sequence[str]) -> str:
    """The commands that make what is missing; "" where nothing is."""
    missing = any(facts.state == "missing" for of_method in maps.values() for facts in of_method)
    return "\n".join(["What is not computed yet comes with:", *commands]) if missing else ""
