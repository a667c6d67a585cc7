"""Which classes are confused, and on what evidence?"""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.cell_gallery import cell_gallery
from dashboard.widgets.confusion_matrix import confusion_matrix
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.pixel_confusion import pixel_confusion
from xai_core.answers.cell import cell_facts
from xai_core.answers.confusion import confusion, similar
from xai_core.task import CLASSIFICATION, SEGMENTATION
from xai_core.triage.confusion import Cell
from xai_core.words import COUNTED_AS

TITLE = "Confusion"
QUESTION = "Which classes are confused, and on what evidence?"
ICON = "matrix"
URL = "confusion"
ORDER = 20
TASKS = (CLASSIFICATION, SEGMENTATION)

_ORDERS = {"given": "As given", "similar": "Confused side by side"}


def render(context: Context) -> None:
    """Draw the page."""
    if not len(context.predicted):
        no_predictions(context)
        return
    if context.study.info.task == SEGMENTATION:
        pixel_confusion(context)
        return
    _matrix(context)
    with st.container(key="gallery"):
        _below(context)


def _matrix(context: Context) -> None:
    chosen, found = context.selection, confusion(context.scope)
    wrong = f"{found.wrong:,} wrong"
    before, _, after = found.sentence.partition(wrong)
    st.markdown(f"{plain(before)}**{plain(wrong)}**{plain(after)} Choose a cell to see its pictures.")
    if found.unpredicted:
        st.caption(plain(found.unpredicted))
    _ways_to_count(chosen.counting, chosen.order)
    with st.container(key="confusion-matrix"):
        confusion_matrix(
            found.counts,
            found.names,
            key="matrix",
            chosen=chosen.cell,
            mode=chosen.counting,
            order=_similar(found.counts) if chosen.order == "similar" else None,
            on_choose=_choose,
        )


def _ways_to_count(rates: str, order: str) -> None:
    with st.container(horizontal=True, gap="large", key="ways-to-count"):
        st.segmented_control(
            "Cells show",
            list(COUNTED_AS),
            format_func=lambda mode: plain(COUNTED_AS[mode]),
            **session.bound("rates", rates),
        )
        st.segmented_control(
            "Order of classes",
            list(_ORDERS),
            format_func=_ORDERS.__getitem__,
            help="Side by side: clustered so that classes often taken for each other are neighbours.",
            **session.bound("order", order),
        )


@st.cache_data(max_entries=16, show_spinner=False)
def _similar(counts: NDArray[np.int64]) -> list[int]:
    return similar(counts)


def _choose(cell: Cell | None) -> None:
    true, predicted = cell if cell else (None, None)
    session.update(true=true, predicted=predicted)


def _below(context: Context) -> None:
    cell, among = context.selection.cell, context.members
    if cell is None:
        empty("No cell chosen", "Click a cell of the matrix, or one of the confusions listed beside it.")
        return
    cell_gallery(context, among.cell(*cell), cell_facts(among, context.study.class_names, cell))
