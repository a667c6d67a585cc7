"""Which sample a page shows: one of the cell or of the split's mistakes, or any other found by its id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import session
from dashboard.context import Context
from dashboard.text import escaped, plain, searched, visible
from xai_core.answers.scope import Members, in_order

_LISTED = 50
_SPLITS = {"train": "training ", "validation": "validation ", "test": "test "}
_ORDERS = {"confidence": "surest first", "margin": "closest calls first", "loss": "largest loss first"}
_FIND = "sample.find"


@dataclass(frozen=True)
class Series:
    """Samples to go through, in order, and what they have in common."""

    rows: NDArray[np.int64]
    name: str

    def place(self, row: int) -> int | None:
        """The position of a sample in it; None where it is not among them."""
        hits = np.flatnonzero(self.rows == row)
        return int(hits[0]) if len(hits) else None


def sample_picker(context: Context, among: Members) -> int:
    """Draw the choice; gives the row number of the sample. `among` must not be empty."""
    series = _series(context, among)
    chosen = context.selection.sample
    row = int(series.rows[0]) if chosen is None else chosen
    place = series.place(row)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="sample-picker"):
        _step("Previous", "P", series, None if place is None else place - 1)
        _step("Next", "N", series, 0 if place is None else place + 1)
        st.html(f'<p class="place">{escaped(_where(context, series, place))}</p>')
        _search(context)
    return row


def _series(context: Context, among: Members) -> Series:
    cell, names = context.selection.cell, context.study.class_names
    split = _SPLITS.get(context.selection.split, "")
    if cell and len(among.cell(*cell)):
        true, predicted = (names[index] for index in cell)
        name = f"{true}, recognised" if cell[0] == cell[1] else f"{true} taken for {predicted}"
        return Series(in_order(context.scope, among.cell(*cell), context.selection.sort), name)
    if len(among.mistakes):
        return Series(in_order(context.scope, among.mistakes, context.selection.sort), f"{split}mistakes")
    return Series(in_order(context.scope, among.rows, context.selection.sort), f"{split}samples")


def _where(context: Context, series: Series, place: int | None) -> str:
    order = _ORDERS.get(context.selection.sort, _ORDERS["confidence"])
    words = f"{series.name}, {order}"
    if place is None:
        return f"Not among the {len(series.rows):,}: {words}"
    return f"{place + 1:,} of {len(series.rows):,} · {words}"


def _step(label: str, key: str, series: Series, place: int | None) -> None:
    inside = place is not None and 0 <= place < len(series.rows)
    row = int(series.rows[place]) if inside and place is not None else None
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
