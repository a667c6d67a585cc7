"""The samples of a cell with their evidence: choices, pages, what is still being computed, export."""

from __future__ import annotations

import html
import math

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import evidence, session
from dashboard.context import Context
from dashboard.export import cell_csv
from dashboard.widgets.empty import empty
from dashboard.widgets.gallery import PAGE, gallery
from dashboard.widgets.method_picker import method_picker
from dashboard.widgets.status import SECONDS_BETWEEN_LOOKS, progress_html
from xai_core.triage.ordering import order_by, sort_scores

_SORTS = {"confidence": "Surest first", "margin": "Closest calls first", "loss": "Largest loss first"}
_TARGETS = {"predicted": "Predicted", "true": "True", "difference": "Difference"}
_SCALES = {"each": "Per picture", "shared": "Per method"}
_RISING = {"margin"}


def cell_gallery(context: Context, rows: NDArray[np.int64], title: str, facts: str) -> None:
    """Draw heading, choices and one page of cards for these rows (all with predictions)."""
    _heading(context, rows, title, facts)
    if not len(rows):
        empty("This cell is empty", "No sample of this class was predicted as that one. Choose another cell.")
        return
    _choices(context)
    ordered = _sorted(context, rows)
    pages = math.ceil(len(ordered) / PAGE)
    page = min(context.selection.page, pages)
    shown = ordered[(page - 1) * PAGE : page * PAGE]
    _live_cards(context, shown)
    if pages > 1:
        # Unlike other widgets this one takes no value from outside, so each page has a widget of its own.
        key = f"select.page.{page}"
        st.pagination(pages, default=page, key=key, on_change=_turn, args=(key,))


def _turn(key: str) -> None:
    session.update(page=st.session_state[key])


def _heading(context: Context, rows: NDArray[np.int64], title: str, facts: str) -> None:
    words, button = st.columns([5, 1], vertical_alignment="bottom")
    words.html(f'<div class="cell-title"><h2>{html.escape(title)}</h2><p>{html.escape(facts)}</p></div>')
    if len(rows):
        button.download_button(
            "Export CSV",
            lambda: cell_csv(context, rows),
            file_name=f"{context.study.name}-{context.selection.run}-cell.csv",
            mime="text/csv",
            help="The samples of this cell with their probabilities.",
            width="stretch",
        )


def _choices(context: Context) -> None:
    chosen = context.selection
    with st.container(key="gallery-choices"):
        if not method_picker(context):
            _sort_choice(chosen.sort)
            return
        with st.container(horizontal=True, gap="medium"):
            st.segmented_control(
                "Evidence for",
                list(_TARGETS),
                format_func=_TARGETS.__getitem__,
                help="The class that the heatmaps explain. Difference: predicted minus true.",
                **session.bound("target", chosen.target),
            )
            st.segmented_control(
                "Colour scale",
                list(_SCALES),
                format_func=_SCALES.__getitem__,
                help="Per picture: each map up to its own maximum. Per method: one maximum for the whole page.",
                **session.bound("normalise", chosen.normalise),
            )
            _sort_choice(chosen.sort)


def _sort_choice(chosen: str) -> None:
    shown = chosen if chosen in _SORTS else "confidence"
    st.selectbox("Sort", list(_SORTS), format_func=_SORTS.__getitem__, width=220, **session.bound("sort", shown))


def _sorted(context: Context, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    predictions = context.predictions
    assert predictions is not None
    places = np.searchsorted(predictions.rows, rows)
    by = context.selection.sort if context.selection.sort in _SORTS else "confidence"
    scores = sort_scores(by, predictions.probabilities[places], predictions.loss[places])
    return rows[order_by(scores, descending=by not in _RISING)]


def _live_cards(context: Context, rows: NDArray[np.int64]) -> None:
    """Cards that fill in by themselves while the worker computes what is missing."""
    job = _asked(context, rows)
    every = SECONDS_BETWEEN_LOOKS if job and _open(context, job) else None
    st.fragment(_cards, run_every=every)(context, rows, job, every is not None)


def _asked(context: Context, rows: NDArray[np.int64]) -> str | None:
    """The id of the job that computes what is missing, asked for once for the same view; None if nothing is."""
    wanted = evidence.columns(context)
    if not any(panel.missing for column in wanted for panel in evidence.panels(context, column, rows)):
        return None
    asked: dict[object, str] = st.session_state.setdefault("asked", {})
    methods = tuple((column.card.key, str(column.params)) for column in wanted)
    view = (context.study.path, context.selection.run, tuple(rows.tolist()), context.selection.target, methods)
    if view not in asked:
        asked[view] = evidence.request(context, wanted, rows)
    return asked[view]


def _open(context: Context, job: str) -> bool:
    known = context.services.worker.job(job)
    return known is not None and known.open


def _cards(context: Context, rows: NDArray[np.int64], job: str | None, was_open: bool) -> None:
    if was_open and job and not _open(context, job):
        st.rerun()
    if job:
        _progress(context, job)
    columns = evidence.columns(context)
    panels = [evidence.panels(context, column, rows) for column in columns]
    opened = gallery(context, rows, columns, panels, key="cards")
    if opened is not None:
        session.go("sample", sample=opened)


def _progress(context: Context, job: str) -> None:
    known = context.services.worker.job(job)
    if known is None or known.state == "done":
        return
    if known.open:
        bar, button = st.columns([8, 1], vertical_alignment="bottom")
        bar.html(progress_html(known))
        button.button("Stop", key="stop-maps", on_click=context.services.worker.cancel, args=(job,), width="stretch")
        return
    words = "Stopped before all heatmaps were there." if known.state == "cancelled" else known.error
    note, button = st.columns([8, 1], vertical_alignment="center")
    note.warning(words or "The heatmaps could not be computed.")
    button.button("Try again", key="again", on_click=lambda: st.session_state.pop("asked", None), width="stretch")
