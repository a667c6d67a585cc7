"""The maps of one sample for the classes in question, as rows of a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dashboard.drawing.tiles import picture_tile, seen_size
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.heat.evidence import full_colour
from dashboard.heat.map_grid import Frame, Row, Stack
from xai_core.answers.maps import Column
from xai_core.answers.sample import Explained, Sample, explained

SIDE = 512
"""Pixels of the picture under a map, at most."""


def rows(context: Context, sample: Sample, columns: Sequence[Column]) -> list[Row]:
    """One row per target, one stack per method."""
    wanted = explained(context.scope, sample, context.selection.target)
    same, keys = np.full(len(wanted), sample.row), [one.target.key for one in wanted]
    panels = [evidence.panels_of(context, column, same, keys) for column in columns]
    base = picture_tile(context.services.tiles, context.study, context.run, sample.row, side=SIDE)
    shape = shape_of(context, sample.row)
    by_target = zip(*panels, strict=True) if panels else [()] * len(wanted)
    return [
        Row(one.title, [_stack(*pair, one, base, shape) for pair in zip(columns, of_target, strict=True)], one.note)
        for one, of_target in zip(wanted, by_target, strict=True)
    ]


def shape_of(context: Context, row: int) -> float:
    """Width ÷ height of the part of the picture that the model sees."""
    preprocess = context.run.info.preprocess if context.run else None
    size = context.study.samples[["width", "height"]].to_numpy(int)[row]
    width, height = seen_size(preprocess, int(size[0]), int(size[1]))
    return width / height


def _stack(column: Column, panel: evidence.Panel, one: Explained, base: str, shape: float) -> Stack:
    card, title = column.card, "".join(one.title)
    about = f"{card.summary} Limits: {card.blind_spot} {full_colour(panel)}".strip()
    frame = Frame(panel, card, f"{card.title} – {title[:1].lower()}{title[1:]}", about)
    return Stack(base, shape, [frame], card.title, panel.facts.notes)
