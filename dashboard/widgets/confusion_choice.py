"""Choice of one confusion: a class and the class it was taken for."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import visible
from xai_core.answers.confusion import confusions
from xai_core.triage.confusion import Cell
from xai_core.words import cell_name

_LISTED = 300
_KEY = "select.confusion"


def confusion_choice(context: Context, of_cells: NDArray[np.int64], *, first: bool = True) -> Cell | None:
    """Draw the choice, largest first; gives (true, predicted), or None where the chosen cell is no confusion.

    Args:
        of_cells: `(K, K)` how many samples each cell has.
        first: without a choice it is the largest; else none.
    """
    counts = {(true, predicted): count for true, predicted, count in confusions(of_cells, top=_LISTED)}
    cell = context.selection.cell
    if cell and cell[0] != cell[1] and cell not in counts:
        counts[cell] = int(of_cells[cell])
    shown = cell if cell in counts else None if cell or not first else next(iter(counts), None)
    names = context.study.class_names
    st.session_state[_KEY] = shown
    st.selectbox(
        "Confusion",
        list(counts),
        index=None,
        format_func=lambda pair: f"{visible(cell_name(names[pair[0]], names[pair[1]]))} · {counts[pair]:,}",
        placeholder="Choose a confusion",
        key=_KEY,
        on_change=_take,
        help="The class that the pictures show, and the one that the model saw in them. Largest first.",
    )
    return shown


def _take() -> None:
    pair = st.session_state[_KEY]
    if pair is not None:
        session.update(true=pair[0], predicted=pair[1])
