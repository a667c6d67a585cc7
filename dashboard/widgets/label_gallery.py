"""Pictures of a segmenter as cards: the annotation, the prediction and how they differ, over the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard.drawing.tiles import LabelLayer, label_tile, region_tile
from dashboard.frame.context import Context
from dashboard.heat.evidence import Panel
from dashboard.text import escaped
from dashboard.widgets.gallery import ClassLine, Layer, gallery
from xai_core.answers.maps import Column
from xai_core.drawing.label_maps import CELL, MEANINGS, colour_of
from xai_core.regions import of_cell
from xai_core.store.run import Run
from xai_core.text import counted
from xai_core.triage.confusion import Cell
from xai_core.words import cell_name

Pictures = Sequence[tuple[int, int]]
"""Rows, and how many of their pixels are meant."""

_OPACITY = "Opacity of labels"
_TRUTH = ("Annotation", "What the data says that each pixel is.")
_SAID = ("Prediction", "The most probable class of each pixel.")
_COMPARED = ("Difference", "Where the prediction is wrong, and how.")
_CELL = ("This cell", "The pixels of the true class that were taken for the predicted one.")
_TITLES: dict[LabelLayer, tuple[str, str]] = {"truth": _TRUTH, "said": _SAID, "compared": _COMPARED, "cell": _CELL}


def label_gallery(context: Context, run: Run, pictures: Pictures, key: str) -> int | None:
    """Draw one card for each picture; gives the row of one that was opened just now, or None.

    Args:
        pictures: with how many of their pixels are wrong.
    """
    legend(context.study.class_names, background=context.study.has_background)
    heads = [_line("Wrong", pixels, good=not pixels) for _, pixels in pictures]
    layers = [_layer(context, run, pictures, kind) for kind in ("truth", "said", "compared")]
    return gallery(context, _rows(pictures), [], [], key=key, headings=heads, layers=layers, opacity=_OPACITY)


def cell_labels(
    context: Context,
    run: Run,
    pictures: Pictures,
    cell: Cell,
    columns: Sequence[Column],
    panels: Sequence[Sequence[Panel]],
    key: str,
) -> int | None:
    """The same of a cell of the confusion: its pixels are outlined on the labels and on the heatmaps beside them.

    Args:
        pictures: with how many of their pixels are in the cell.
        columns, panels: methods, and for each a panel a picture.
    """
    legend(context.study.class_names, background=context.study.has_background, differences=False)
    tiles, region = context.services.tiles, of_cell(*cell).key
    heads = [_line("In this cell", pixels, good=cell[0] == cell[1]) for _, pixels in pictures]
    layers = [_layer(context, run, pictures, kind) for kind in ("truth", "said")]
    outlines = [region_tile(tiles, run, row, region) for row, _ in pictures]
    return gallery(
        context,
        _rows(pictures),
        columns,
        panels,
        key=key,
        headings=heads,
        layers=layers,
        outlines=outlines,
        opacity="Opacity",
    )


def change_gallery(
    context: Context, before: Run, after: Run, pictures: Pictures, cell: Cell | None, key: str
) -> int | None:
    """The same of two runs.

    Args:
        pictures: with how many more of their pixels the later run has right, or has in the cell.
    """
    legend(context.study.class_names, background=context.study.has_background, cell=cell, differences=cell is None)
    layers = [_layer(context, after, pictures, "truth")]
    for kind in ("said", "cell" if cell else "compared"):
        both = ((before, " before"), (after, " after"))
        layers += [_layer(context, run, pictures, kind, when, cell or (0, 0)) for run, when in both]
    words = ("More in this cell", "Fewer in this cell") if cell else ("Better", "Worse")
    more_is_good = cell is None or cell[0] == cell[1]
    heads = [_line(words[more < 0], abs(more), good=(more > 0) == more_is_good) for _, more in pictures]
    return gallery(context, _rows(pictures), [], [], key=key, headings=heads, layers=layers, opacity=_OPACITY)


def _rows(pictures: Pictures) -> np.ndarray:
    return np.array([row for row, _ in pictures], np.int64)


def _line(role: str, pixels: int, *, good: bool) -> list[ClassLine]:
    return [ClassLine(role, counted(pixels, "pixel"), None, right=good)]


def _layer(
    context: Context, run: Run, pictures: Pictures, kind: LabelLayer, when: str = "", cell: Cell = (0, 0)
) -> Layer:
    title, summary = _TITLES[kind]
    tiles = [label_tile(context.services.tiles, run, row, kind, cell) for row, _ in pictures]
    return Layer(f"{title}{when}", summary, tiles)


def legend(names: Sequence[str], *, background: bool, differences: bool = True, cell: Cell | None = None) -> None:
    """Draw what the colours mean: of classes, of differences, and of a cell of the confusion."""
    classes = [(colour_of(at), name) for at, name in enumerate(names) if at or not background]
    lines = f"<p><b>Classes</b>{_chips(classes)}</p>"
    if differences:
        told = [(colour, f"{word}: {meaning}") for word, (colour, meaning) in MEANINGS.items()]
        lines += f"<p><b>Difference</b>{_chips(told)}</p>"
    if cell is not None:
        lines += f"<p><b>This cell</b>{_chips([(CELL, cell_name(names[cell[0]], names[cell[1]]))])}</p>"
    st.html(f'<div class="label-legend">{lines}</div>')


def _chips(entries: Sequence[tuple[str, str]]) -> str:
    return "".join(f'<span><i style="background:{colour}"></i>{escaped(words)}</span>' for colour, words in entries)
