"""Heatmaps of pictures from outside the study, as rows of a grid: what is missing, what is shown."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from dashboard.drawing.tiles import LARGE_SIDE, dropped_regions, dropped_tile
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.heat.evidence import Panel, full_colour
from dashboard.heat.map_grid import Frame, Row, Stack
from xai_core.answers.maps import Column
from xai_core.answers.new_pictures import Answer, spec_of
from xai_core.drawing.seen import seen_size
from xai_core.store.maps import MISSING
from xai_core.store.new_pictures import NewPictures
from xai_core.types import Target


def missing(columns: Sequence[Column], answers: Sequence[Answer], spec: str) -> frozenset[tuple[int, Hashable]]:
    """Which maps are not there: the method's place, and the picture with what is explained."""
    numbers, keys = _keys(answers, spec)
    found: set[tuple[int, Hashable]] = set()
    for place, column in enumerate(columns):
        state = column.maps.state(numbers, keys) if column.maps else [MISSING] * len(keys)
        pairs = zip(numbers.tolist(), keys, strict=True)
        found |= {(place, pair) for pair, one in zip(pairs, state, strict=True) if one == MISSING}
    return frozenset(found)


def panels(context: Context, columns: Sequence[Column], answers: Sequence[Answer]) -> list[list[Panel]]:
    """For each method one panel a picture."""
    numbers, keys = _keys(answers, spec_of(context.selection.target))
    preprocess = context.scope.run.info.preprocess
    seen = [seen_size(preprocess, *each.said.size) for each in answers]
    return [evidence.placed(context, column, numbers, keys, seen) for column in columns]


def rows(
    context: Context,
    kept: NewPictures,
    columns: Sequence[Column],
    answers: Sequence[Answer],
    found: Sequence[Sequence[Panel]],
) -> list[Row]:
    """One row a picture, one stack a method. `found` as `panels` gives them."""
    spec = spec_of(context.selection.target)
    made = []
    for place, answer in enumerate(answers):
        width, height = seen_size(context.scope.run.info.preprocess, *answer.said.size)
        base = dropped_tile(context.services.tiles, kept, answer.number, side=LARGE_SIDE)
        about, key = f"evidence for {answer.explained(spec)}", answer.target_key(spec)
        of_place = bool(Target.parse(key).region)
        outline = dropped_regions(context.services.tiles, kept, answer.number, key) if of_place else ""
        stacks = [
            Stack(
                base,
                width / height,
                [_frame(column, of_method[place], about)],
                column.card.title,
                of_method[place].facts.notes,
                outline,
            )
            for column, of_method in zip(columns, found, strict=True)
        ]
        made.append(Row(answer.title, stacks, "" if spec == "predicted" else about.capitalize()))
    return made


def _frame(column: Column, panel: Panel, about: str) -> Frame:
    card = column.card
    return Frame(
        panel, card, f"{card.title} – {about}", f"{card.summary} Limits: {card.blind_spot} {full_colour(panel)}".strip()
    )


def _keys(answers: Sequence[Answer], spec: str) -> tuple[NDArray[np.int64], list[str]]:
    return np.array([each.number for each in answers], dtype=np.int64), [each.target_key(spec) for each in answers]
