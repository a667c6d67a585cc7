"""A page of the gallery as one picture, for a report."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dashboard.drawing.looks import FADED, faded
from dashboard.drawing.tiles import picture_tile
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.text import visible
from xai_core.answers.cell import caption

TILE, GAP, HEAD, LEGEND = 168, 8, 26, 20
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_INK, _PAPER, _EMPTY = "#1a2422", "#ffffff", "#eef1ee"
_OPACITY = 0.75


def cell_sheet(context: Context, rows: NDArray[np.int64]) -> bytes:
    """PNG: one line per sample with the picture and the stored heatmaps of the chosen methods.

    Says for every line the true and the predicted class, for every column the method, and at the foot what was
    explained and how colours are scaled. Maps that are not there (yet) are left grey.
    """
    columns = evidence.columns(context)
    panels = [evidence.panels(context, column, rows) for column in columns]
    line = TILE + HEAD + GAP
    width = max(560, GAP + (len(columns) + 1) * (TILE + GAP))
    font = ImageFont.load_default(13)
    foot = _wrapped(_foot(context, list(chain(*panels))), font, width - 2 * GAP)
    sheet = Image.new("RGB", (width, HEAD + len(rows) * line + GAP + len(foot) * LEGEND), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, title in enumerate(["Original", *(column.card.title for column in columns)]):
        pen.text((GAP + place * (TILE + GAP), 6), _shortened(pen, title, font), _INK, font)
    for i, row in enumerate(rows):
        top = HEAD + i * line
        pen.text((GAP, top + 5), _caption(context, int(row)), _INK, font)
        _draw_line(context, sheet, int(row), [found[i] for found in panels], top + HEAD)
    for place, text in enumerate(foot):
        pen.text((GAP, sheet.height - LEGEND * (len(foot) - place) + 2), text, _INK, font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _draw_line(context: Context, sheet: Image.Image, row: int, panels: Sequence[evidence.Panel], top: int) -> None:
    base = _fetched(context, picture_tile(context.services.tiles, context.study, context.run, row)).convert("RGB")
    sheet.paste(base, (GAP, top))
    for place, panel in enumerate(panels, start=1):
        left = GAP + place * (TILE + GAP)
        if panel.address is None:
            sheet.paste(_EMPTY, (left, top, left + base.width, top + base.height))
            continue
        layer = _fetched(context, panel.address, size=base.size)
        opacity = _OPACITY if evidence.look(context) in ("heat", "cells") else 1.0
        alpha = layer.getchannel("A").point(lambda value, opacity=opacity: round(value * opacity))
        sheet.paste(_under(context, base, panel), (left, top))
        sheet.paste(layer.convert("RGB"), (left, top), alpha)


def _under(context: Context, base: Image.Image, panel: evidence.Panel) -> Image.Image:
    """The picture as it lies under a map: in its colours, faded, or nothing of it."""
    alone = evidence.look(context) == "alone"
    return base if panel.fade is None else faded(base, panel.fade, 0.0 if alone else FADED)


def _fetched(context: Context, address: str, size: tuple[int, int] | None = None) -> Image.Image:
    """A drawn tile, enlarged or reduced to the sheet's tiles; small ones keep their pixels."""
    tile = context.services.tiles.draw(address.rsplit("/", 1)[-1])
    assert tile is not None, "its address was made just now"
    picture = Image.open(io.BytesIO(tile.content))
    if size is None:
        factor = TILE / max(picture.size)
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    small = max(picture.size) < TILE / 2
    return picture.resize(size, Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR)


def _caption(context: Context, row: int) -> str:
    return visible(caption(context.scope, row))


def _foot(context: Context, panels: Sequence[evidence.Panel]) -> str:
    shown = f"{context.study.name}, run {context.selection.run}; evidence for: {context.selection.target}."
    return visible(" ".join([shown, *evidence.legend_notes(context, panels)]))


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """Lines of at most `width` pixels, broken between words."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _shortened(pen: ImageDraw.ImageDraw, text: str, font: Font) -> str:
    while len(text) > 4 and pen.textlength(text, font) > TILE:
        text = text[:-2].rstrip() + "…"
    return text
