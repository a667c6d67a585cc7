"""The confusion of a segmenter: its matrix in pixels and in pictures, and a cell with its pictures and evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from dashboard.frame import session
from dashboard.frame.cached import segments_of
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.text import escaped, plain
from dashboard.widgets import pending
from dashboard.widgets.badges import badges
from dashboard.widgets.cell_gallery import fixable
from dashboard.widgets.confusion_matrix import confusion_matrix
from dashboard.widgets.empty import empty
from dashboard.widgets.explain_more import explain_more
from dashboard.widgets.label_gallery import Pictures, cell_labels
from dashboard.widgets.legend import look_choice
from dashboard.widgets.method_picker import method_picker
from dashboard.widgets.method_settings import settings_note
from dashboard.widgets.pages import on_page, pages_below
from dashboard.widgets.said import said_of_maps
from xai_core.answers.maps import Column, refreshed
from xai_core.answers.segments import CELLS, SegmentsAnswer
from xai_core.regions import of_cell
from xai_core.triage.confusion import Cell
from xai_core.types import Target

ON_A_PAGE = 12

_SCALES = {"each": "Per picture", "shared": "Per method"}


def pixel_confusion(context: Context) -> None:
    """Draw the page Confusion of a study of segmentation."""
    found = segments_of(context.scope.run, context.selection.split, context.where)
    st.markdown(f"{plain(found.wrong_words)} Choose a cell to see its pictures.")
    _matrix(context, found)
    with st.container(key="gallery"):
        cell = context.selection.cell
        if cell is None:
            empty("No cell chosen", "Click a cell of the matrix, or one of the confusions listed beside it.")
        else:
            _cell(context, found, cell)


def _matrix(context: Context, found: SegmentsAnswer) -> None:
    chosen = context.selection
    mode = chosen.rates if chosen.rates in CELLS else "true"
    st.segmented_control(
        "Cells show",
        list(CELLS),
        format_func=lambda one: plain(CELLS[one]),
        **session.bound("rates", mode),
    )
    shown: dict[str, Any] = {"mode": mode, "unit": "pixel"}
    if mode == "pictures":
        shown = {"mode": "count", "unit": "picture", "showing": found.showing}
    counts = found.in_pictures if mode == "pictures" else found.counts
    with st.container(key="confusion-matrix"):
        confusion_matrix(counts, found.names, key="matrix", chosen=chosen.cell, on_choose=_choose, **shown)


def _choose(cell: Cell | None) -> None:
    """Of a cell the question is first why it is the one class rather than the other; what is asked then, stays."""
    true, predicted = cell if cell else (None, None)
    first = {} if session.current().cell else {"target": "difference"}
    session.update(true=true, predicted=predicted, **first)


def _cell(context: Context, found: SegmentsAnswer, cell: Cell) -> None:
    """What the cell holds, where else it can be looked at, and its pictures with their heatmaps."""
    title, sentence = found.cell_words(cell)
    pictures = found.pictures(cell)
    words, ways = st.columns([5, 4], vertical_alignment="bottom")
    words.html(f'<div class="cell-title"><h2>{escaped(title)}</h2><p>{escaped(sentence)}</p></div>')
    if not pictures:
        empty("This cell is empty", "No pixel of this class was predicted as that one. Choose another cell.")
        return
    with ways:
        _ways_on(context)
    columns = evidence.columns(context)
    target = _choices(context, columns, cell)
    shown = on_page(context, pictures, ON_A_PAGE)
    job = pending.ask(context, columns, np.array([row for row, _ in shown]), target.key)
    draw = lambda: _cards(context, columns, shown, cell, target)  # noqa: E731
    pending.live(context, [job], draw, what="Heatmaps of this page")
    pages_below(context, len(pictures), ON_A_PAGE)
    explain_more(context, columns, target.key)


def _ways_on(context: Context) -> None:
    """Other pages that can be asked about this very cell."""
    cell = context.selection.cell
    means = "Of this confusion, beside both classes recognised."
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if cell and cell[0] != cell[1] and st.button("Mean heatmaps", key="cell.means", help=means):
            session.go("class-heatmaps")
        if len(context.study.runs()) > 1 and st.button("Compare", key="cell.compare", help="This cell of two runs."):
            session.go("compare")
        if fixable(context) and st.button("Try a fix", key="cell.fix"):
            session.go("train")


def _choices(context: Context, columns: list[Column], cell: Cell) -> Target:
    """Draw methods and how their maps are drawn; gives what these explain."""
    chosen = context.selection
    true, predicted = (context.study.class_names[index] for index in cell)
    specs = {"difference": f"{predicted} rather than {true}", "predicted": predicted, "true": true}
    known = [spec for spec in specs if of_cell(*cell, spec).key == chosen.target]
    spec = chosen.target if chosen.target in specs else next(iter(known), "difference")
    with st.container(key="gallery-choices"):
        explained = method_picker(context)
        settings_note(context, columns)
        badges(context, columns)
        if explained:
            with st.container(horizontal=True, gap="small"):
                if cell[0] != cell[1]:
                    st.segmented_control(
                        "Evidence for",
                        list(specs),
                        format_func=lambda one: plain(specs[one]),
                        help="The class that the heatmaps explain, at the outlined pixels.",
                        **session.bound("target", spec),
                    )
                st.segmented_control(
                    "Colour scale",
                    list(_SCALES),
                    format_func=_SCALES.__getitem__,
                    help="Per picture: each map has a scale of its own. Per method: one for the whole page.",
                    **session.bound("normalise", chosen.normalise),
                )
                look_choice(context)
    return of_cell(*cell, spec)


def _cards(context: Context, known: list[Column], pictures: Pictures, cell: Cell, target: Target) -> None:
    columns, rows = refreshed(context.run, known), np.array([row for row, _ in pictures])
    panels = [evidence.panels(context, column, rows, target.key) for column in columns]
    said_of_maps(context, columns, panels, rows, target.key)
    opened = cell_labels(context, context.scope.run, pictures, cell, columns, panels, key="cards")
    if opened is not None:
        session.go("sample", sample=opened, target=target.key)
