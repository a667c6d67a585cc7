"""Which sample a page shows: one of the cell or of the split's mistakes, or any other found by its id."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import escaped, plain, searched, visible
from xai_core.answers.series import Series, series

_LISTED = 50
_FIND = "sample.find"


def sample_picker(context: Context) -> int:
    """Draw the choice; gives the row number of the sample. The split must have predictions."""
    among = series(context.scope, context.selection.cell, context.selection.sort)
    chosen = context.selection.sample
    row = int(among.rows[0]) if chosen is None else chosen
    place = among.place(row)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="sample-picker"):
        _step("Previous", "P", among, None if place is None else place - 1)
        _step("Next", "N", among, 0 if place is None else place + 1)
        st.html(f'<p class="place">{escaped(among.where(row))}</p>')
        _search(context)
    return row


def _step(label: str, key: str, among: Series, place: int | None) -> None:
    inside = place is not None and 0 <= place < len(among.rows)
    row = int(among.rows[place]) if inside and place is not None else None
    change = {"sample": row}
    st.button(
        plain(label), key=f"sample.{label}", shortcut=key, disabled=not inside, on_click=session.update, kwargs=change
    )


def _search(context: Context) -> None:
    """Any sample of the study, of whatever split, by a part of its id."""
    text = st.text_input(
        "Find a sample", key=_FIND, placeholder="Find by a part of its id", label_visibility="collapsed", width=260
    ).strip()
    if not text:
        return
    ids = context.study.samples["id"].astype(str)
    hits = np.flatnonzero(ids.map(searched).str.contains(searched(text), regex=False))
    exact = np.flatnonzero(ids == text)
    hits = exact if len(exact) else hits
    if not len(hits):
        st.html(f'<p class="place">No id contains “{escaped(text)}”</p>')
        return
    shown = [int(row) for row in hits[:_LISTED]]
    more = "" if len(hits) <= _LISTED else f", the first {_LISTED}"
    st.selectbox(
        "Found",
        shown,
        index=None,
        format_func=lambda row: visible(ids.iat[row]),
        placeholder=f"{len(hits):,} found{more}: choose one",
        label_visibility="collapsed",
        key=f"sample.found.{text}",
        on_change=_open,
        args=(f"sample.found.{text}",),
        width=300,
    )


def _open(key: str) -> None:
    row = st.session_state[key]
    if row is not None:
        session.update(sample=row)
        st.session_state[_FIND] = ""
