"""How good is a segmenter, and where in its pictures is it wrong?"""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.figures import history
from dashboard.frame import session
from dashboard.frame.cached import segments_of
from dashboard.frame.context import Context
from dashboard.text import escaped, plain
from dashboard.widgets.confusion_matrix import confusion_matrix
from dashboard.widgets.data_card import data_card
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.label_gallery import label_gallery
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.answers.segments import CELLS, HEADS, SegmentsAnswer
from xai_core.regions import of_cell
from xai_core.store.run import Run
from xai_core.task import SEGMENTATION
from xai_core.triage.confusion import Cell

TITLE = "Segmentation"
QUESTION = "How good is it, and where in its pictures is it wrong?"
ICON = "segmentation"
URL = "segmentation"
ORDER = 15
TASKS = (SEGMENTATION,)

ON_A_PAGE = 12


def render(context: Context) -> None:
    """Draw the page."""
    run = context.run
    found = segments_of(run, context.selection.split, context.where) if run is not None else None
    if run is None or found is None or not len(found.rows):
        no_predictions(context)
    else:
        _classes(found)
        _matrix(context, found)
        with st.container(key="pictures"):
            _pictures(context, run, found)
        _curves(run)
    with st.expander("The data"):
        data_card(context)


def _classes(found: SegmentsAnswer) -> None:
    st.markdown(f"**{plain(found.sentence)}**")
    table(HEADS, found.lines)
    for note in found.notes:
        st.caption(plain(note))


def _matrix(context: Context, found: SegmentsAnswer) -> None:
    chosen = context.selection
    st.subheader("What is taken for what", anchor=False)
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
    with st.container(key="pixel-matrix"):
        confusion_matrix(counts, found.names, key="pixels", chosen=chosen.cell, on_choose=_choose, **shown)


def _choose(cell: Cell | None) -> None:
    true, predicted = cell if cell else (None, None)
    session.update(true=true, predicted=predicted)


def _pictures(context: Context, run: Run, found: SegmentsAnswer) -> None:
    cell = context.selection.cell
    pictures = found.pictures(cell)
    words = found.cell_sentence(cell) if cell else "Most wrong pixels first. Choose a cell to see its pictures alone."
    title = "Pictures of this cell" if cell else "Pictures"
    st.html(f'<div class="cell-title"><h2>{title}</h2><p>{escaped(words)}</p></div>')
    if not pictures:
        empty("This cell is empty", "No pixel of this class was predicted as that one. Choose another cell.")
        return
    pages = -(-len(pictures) // ON_A_PAGE)
    page = min(context.selection.page, pages)
    start = (page - 1) * ON_A_PAGE
    opened = label_gallery(context, run, pictures[start : start + ON_A_PAGE], cell, key="labels")
    if opened is not None:
        session.go("sample", sample=opened, target=of_cell(*cell).key if cell else "predicted")
    if pages > 1:
        key = f"labels.page.{page}"
        st.pagination(pages, default=page, key=key, on_change=_turn, args=(key,))


def _turn(key: str) -> None:
    session.update(page=st.session_state[key])


def _curves(run: Run) -> None:
    if run.history is not None and len(run.history):
        figure = history.curves(run.history, page_theme(), title="Training curves")
        plot(figure, key="history", alt="Loss and accuracy over epochs")
