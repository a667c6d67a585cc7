"""The maps of one sample for the classes in question, as rows of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from dashboard.drawing.tiles import outline_tile, picture_tile
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.heat.evidence import full_colour
from dashboard.heat.map_grid import Frame, Row, Stack
from xai_core.answers.maps import Column
from xai_core.answers.sample import Explained, Sample, explained, on_mask
from xai_core.drawing.seen import seen_size

SIDE = 512
"""Pixels of the picture under a map, at most."""


def rows(context: Context, sample: Sample, columns: Sequence[Column]) -> list[Row]:
    """One row per target, one stack per method."""
    wanted = explained(context.scope, sample, context.selection.target)
    same, keys = np.full(len(wanted), sample.row), [one.target.key for one in wanted]
    drawn = [evidence.panels_of(context, column, same, keys) for column in columns]
    told = on_mask(context.scope.run, columns, sample, wanted, [[panel.facts for panel in each] for each in drawn])
    panels = [
        [replace(panel, facts=facts) for panel, facts in zip(*pair, strict=True)]
        for pair in zip(drawn, told, strict=True)
    ]
    mask = outline_tile(context.services.tiles, context.study, context.run, sample.row, side=SIDE)
    base = picture_tile(context.services.tiles, context.study, context.run, sample.row, side=SIDE)
    shape = shape_of(context, sample.row)
    stack = partial(_stack, base=base, shape=shape, mask=mask)
    by_target = zip(*panels, strict=True) if panels else [()] * len(wanted)
    return [
        Row(one.title, [stack(*pair, one) for pair in zip(columns, of_target, strict=True)], one.note)
        for one, of_target in zip(wanted, by_target, strict=True)
    ]


def shape_of(context: Context, row: int) -> float:
    """Width ÷ height of the part of the picture that the model sees."""
    preprocess = context.run.info.preprocess if context.run else None
    size = context.study.samples[["width", "height"]].to_numpy(int)[row]
    width, height = seen_size(preprocess, int(size[0]), int(size[1]))
    return width / height


def _stack(column: Column, panel: evidence.Panel, one: Explained, *, base: str, shape: float, mask: str) -> Stack:
    card, title = column.card, "".join(one.title)
    about = f"{card.summary} Limits: {card.blind_spot} {full_colour(panel)}".strip()
    frame = Frame(panel, card, f"{card.title} – {title[:1].lower()}{title[1:]}", about)
    return Stack(base, shape, [frame], card.title, panel.facts.notes, mask)
