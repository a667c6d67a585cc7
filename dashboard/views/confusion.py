"""Which classes are confused, and on what evidence?"""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import session
from dashboard.context import Context
from dashboard.text import plain
from dashboard.widgets.cell_gallery import cell_gallery
from dashboard.widgets.confusion_matrix import confusion_matrix
from dashboard.widgets.empty import empty, no_predictions
from xai_core.answers.confusion import unpredicted
from xai_core.answers.scope import Members
from xai_core.triage.confusion import Cell, confusion_counts, similarity_order

TITLE = "Confusion"
QUESTION = "Which classes are confused, and on what evidence?"
ICON = "matrix"
URL = "confusion"
ORDER = 20

_MODES = {"count": "Samples", "true": "% of true class", "predicted": "% of predicted class"}
_SPLITS = {"train": "training ", "validation": "validation ", "test": "test ", "all": ""}
_ORDERS = {"given": "As given", "similar": "Confused side by side"}


def render(context: Context) -> None:
    """Draw the page."""
    among = context.members
    if not len(among.rows):
        no_predictions(context)
        return
    _matrix(context, among)
    with st.container(key="gallery"):
        _below(context, among)


def _matrix(context: Context, among: Members) -> None:
    chosen, names = context.selection, context.study.class_names
    counts = confusion_counts(among.labels, among.predicted, len(names))
    right = int(np.trace(counts))
    st.markdown(
        f"{len(among.rows):,} {_SPLITS[chosen.split]}samples, **{len(among.rows) - right:,} wrong** "
        f"({100 * (1 - right / len(among.rows)):.1f} %). Choose a cell to see its pictures."
    )
    note = unpredicted(context.scope)
    if note:
        st.caption(plain(note))
    _ways_to_count(chosen.rates, chosen.order)
    with st.container(key="confusion-matrix"):
        confusion_matrix(
            counts,
            names,
            key="matrix",
            chosen=chosen.cell,
            mode=chosen.rates,
            order=_similar(counts) if chosen.order == "similar" else None,
            on_choose=_choose,
        )


def _ways_to_count(rates: str, order: str) -> None:
    with st.container(horizontal=True, gap="large", key="ways-to-count"):
        st.segmented_control(
            "Cells show", list(_MODES), format_func=_MODES.__getitem__, **session.bound("rates", rates)
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
    return [int(i) for i in similarity_order(counts)]


def _choose(cell: Cell | None) -> None:
    true, predicted = cell if cell else (None, None)
    session.update(true=true, predicted=predicted)


def _below(context: Context, among: Members) -> None:
    cell = context.selection.cell
    if cell is None:
        empty("No cell chosen", "Click a cell of the matrix, or one of the confusions listed beside it.")
        return
    cell_gallery(context, among.cell(*cell), _title(context, cell), _facts(context, among, cell))


def _title(context: Context, cell: tuple[int, int]) -> str:
    true, predicted = (context.study.class_names[i] for i in cell)
    return f"{true}, recognised" if cell[0] == cell[1] else f"{true} taken for {predicted}"


def _facts(context: Context, among: Members, cell: tuple[int, int]) -> str:
    is_true, is_predicted = among.labels == cell[0], among.predicted == cell[1]
    count, of_true, of_predicted = (int(x.sum()) for x in (is_true & is_predicted, is_true, is_predicted))
    true, predicted = (context.study.class_names[i] for i in cell)
    parts = [f"{count:,} {'sample' if count == 1 else 'samples'}"]
    if of_true:
        parts.append(f"{100 * count / of_true:.1f} % of the {of_true:,} that are {true}")
    if of_predicted:
        parts.append(f"{100 * count / of_predicted:.1f} % of the {of_predicted:,} predicted as {predicted}")
    return " · ".join(parts)
