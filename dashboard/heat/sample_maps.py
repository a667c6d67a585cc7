"""The maps of one sample for the classes in question, as rows of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from dashboard.drawing.tiles import outline_tile, picture_tile, region_tile
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.heat.evidence import full_colour
from dashboard.heat.map_grid import Frame, Row, Stack
from xai_core.answers.explained import Explained, on_mask
from xai_core.answers.maps import Column
from xai_core.drawing.seen import seen_size
from xai_core.task import SEGMENTATION

SIDE = 512
"""Pixels of the picture under a map, at most."""


def rows(context: Context, row: int, wanted: Sequence[Explained], columns: Sequence[Column]) -> list[Row]:
    """Of a sample: one row per target, one stack per method."""
    same, keys = np.full(len(wanted), row), [one.target.key for one in wanted]
    drawn = [evidence.panels_of(context, column, same, keys) for column in columns]
    told = on_mask(context.scope.run, columns, row, wanted, [[panel.facts for panel in each] for each in drawn])
    panels = [
        [replace(panel, facts=facts) for panel, facts in zip(*pair, strict=True)]
        for pair in zip(drawn, told, strict=True)
    ]
    base = picture_tile(context.services.tiles, context.study, context.run, row, side=SIDE)
    stack = partial(_stack, base=base, shape=shape_of(context, row))
    by_target = zip(*panels, strict=True) if panels else [()] * len(wanted)
    return [
        Row(one.title, [stack(*pair, one, mask=mask) for pair in zip(columns, of_target, strict=True)], one.note)
        for one, of_target, mask in zip(wanted, by_target, _outlines(context, row, keys), strict=True)
    ]


def _outlines(context: Context, row: int, keys: Sequence[str]) -> list[str]:
    """What is outlined on the maps of each target: the sample's mask; of a segmenter the region that is explained."""
    tiles, run = context.services.tiles, context.scope.run
    if context.study.info.task == SEGMENTATION:
        return [region_tile(tiles, run, row, key, side=SIDE) for key in keys]
    return [outline_tile(tiles, context.study, run, row, side=SIDE)] * len(keys)


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
