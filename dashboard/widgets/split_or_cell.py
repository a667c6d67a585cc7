"""Of the whole split, or of the cell that was chosen elsewhere?"""

from __future__ import annotations

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import plain
from xai_core.triage.confusion import Cell

_SOURCES = {"split": "Of the split", "cell": "Of the chosen cell"}


def split_or_cell(context: Context, label: str, *, key: str) -> Cell | None:
    """Draw the choice where a cell that is not empty is chosen; gives the cell, or None for the whole split."""
    cell = context.selection.cell
    if cell is None or not len(context.scope.cell(*cell)):
        return None
    source = st.segmented_control(
        plain(label), list(_SOURCES), format_func=lambda name: plain(_SOURCES[name]), default="split", key=key
    )
    return cell if source == "cell" else None
