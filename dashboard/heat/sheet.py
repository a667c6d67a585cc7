"""A page of the gallery as one picture, for a report."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dashboard.drawing.tiles import picture_tile
from dashboard.frame.cached import badges_of
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.text import visible
from xai_core.answers.cell import caption
from xai_core.drawing.sheet import Line, laid_over, sheet, tile


def cell_sheet(context: Context, rows: NDArray[np.int64]) -> bytes:
    """PNG: one line per sample with the picture and the stored heatmaps of the chosen methods.

    Says for every line the true and the predicted class, for every column the method, and at the foot what was
    explained and how colours are scaled. Maps that are not there (yet) are left grey.
    """
    columns = evidence.columns(context)
    panels = [evidence.panels(context, column, rows) for column in columns]
    lines = [_line(context, int(row), [found[i] for found in panels]) for i, row in enumerate(rows)]
    marks = badges_of(context.scope.run, columns)
    foot = [_foot(context, list(chain(*panels))), *(badge.sentence for badge in marks)]
    drawn = sheet([f"{badge.title}: {badge.word}" for badge in marks], lines, " ".join(foot))
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    return buffer.getvalue()


def _line(context: Context, row: int, panels: Sequence[evidence.Panel]) -> Line:
    base = tile(_fetched(context, picture_tile(context.services.tiles, context.study, context.run, row)))
    drawn = [_over(context, base, panel.address, panel) for panel in panels]
    return Line(visible(caption(context.scope, row)), base, drawn)


def _over(context: Context, base: Image.Image, address: str | None, panel: evidence.Panel) -> Image.Image | None:
    if address is None:
        return None
    return laid_over(base, _fetched(context, address), panel.fade, evidence.look(context))


def _fetched(context: Context, address: str) -> Image.Image:
    found = context.services.tiles.draw(address.rsplit("/", 1)[-1])
    assert found is not None, "its address was made just now"
    return Image.open(io.BytesIO(found.content))


def _foot(context: Context, panels: Sequence[evidence.Panel]) -> str:
    shown = f"{context.study.name}, run {context.selection.run}; evidence for: {context.selection.target}."
    return visible(" ".join([shown, *evidence.legend_notes(context, panels)]))
