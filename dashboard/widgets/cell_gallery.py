"""The samples of a cell with their evidence: choices, pages, what is still being computed, export."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.export import cell_csv
from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.heat.sheet import cell_sheet
from dashboard.text import escaped, plain
from dashboard.widgets import pending
from dashboard.widgets.badges import badges
from dashboard.widgets.empty import empty
from dashboard.widgets.explain_more import explain_more
from dashboard.widgets.gallery import gallery
from dashboard.widgets.legend import look_choice
from dashboard.widgets.method_picker import method_picker
from dashboard.widgets.method_settings import settings_note
from dashboard.widgets.pages import turning
from dashboard.widgets.said import said_of_maps
from xai_core.answers.agreement import agreement
from xai_core.answers.cell import SORTS, CellFacts, page_of
from xai_core.answers.maps import Column, refreshed
from xai_core.answers.scope import AS_GIVEN, Rows, in_order, order_in_force
from xai_core.answers.training import is_parent

_TARGETS = {"predicted": "Predicted", "true": "True", "difference": "Difference"}
_SCALES = {"each": "Per picture", "shared": "Per method"}


def cell_gallery(context: Context, rows: Rows, facts: CellFacts) -> None:
    """Draw heading, choices and one page of cards for these rows (all with predictions)."""
    words, fix, take = st.columns([4, 1, 1], vertical_alignment="bottom")
    words.html(f'<div class="cell-title"><h2>{escaped(facts.title)}</h2><p>{escaped(facts.sentence)}</p></div>')
    if not len(rows):
        empty("This cell is empty", "No sample of this class was predicted as that one. Choose another cell.")
        return
    columns = evidence.columns(context)
    _choices(context, columns)
    ordered, ranking = _sorted(context, columns, rows)
    page = page_of(ordered, context.selection.page)
    shown = page.rows
    if fixable(context) and fix.button("Try a fix", key="cell.fix", width="stretch"):
        session.go("train")
    with take:
        _export(context, ordered, shown)
    job = pending.ask(context, columns, shown)
    pending.live(context, [job, ranking], lambda: _cards(context, columns, shown), what="Heatmaps of this page")
    turning(page.pages, page.number)
    explain_more(context, columns)


def fixable(context: Context) -> bool:
    """Whether these are mistakes of a model that could be trained otherwise."""
    cell, run = context.selection.cell, context.run
    mistaken = cell is not None and cell[0] != cell[1]
    return mistaken and run is not None and is_parent(run) and session.has_page("train")


def _cards(context: Context, known: Sequence[Column], rows: Rows) -> None:
    columns = refreshed(context.run, known)
    panels = [evidence.panels(context, column, rows) for column in columns]
    said_of_maps(context, columns, panels, rows)
    opened = gallery(context, rows, columns, panels, key="cards")
    if opened is not None:
        session.go("sample", sample=opened)


def _choices(context: Context, columns: Sequence[Column]) -> None:
    chosen = context.selection
    with st.container(key="gallery-choices"):
        explained = method_picker(context)
        settings_note(context, columns)
        badges(context, columns)
        with st.container(horizontal=True, gap="small"):
            if explained:
                _evidence_choices(chosen.target, chosen.normalise)
                look_choice(context)
            known = (*context.scope.predictions.scores, AS_GIVEN, *(("disagreement",) if explained else ()))
            sorts = [sort for sort in SORTS if sort in known]
            shown = chosen.sort if chosen.sort in sorts else order_in_force(context.scope, chosen.sort)
            st.selectbox("Sort", sorts, format_func=SORTS.__getitem__, width=175, **session.bound("sort", shown))
        if context.scope.lacks:
            st.caption(plain(context.scope.lacks))


def _evidence_choices(target: str, normalise: str) -> None:
    st.segmented_control(
        "Evidence for",
        list(_TARGETS),
        format_func=_TARGETS.__getitem__,
        help="The class that the heatmaps explain. Difference: predicted minus true.",
        **session.bound("target", target),
    )
    st.segmented_control(
        "Colour scale",
        list(_SCALES),
        format_func=_SCALES.__getitem__,
        help="Per picture: each map has a scale of its own. Per method: one for the whole page, weak maps look weak.",
        **session.bound("normalise", normalise),
    )


def _sorted(context: Context, columns: Sequence[Column], rows: Rows) -> tuple[Rows, str | None]:
    """The rows in order, and the job that computes what the order still needs."""
    by = context.selection.sort
    if by == "disagreement" and columns:
        job = pending.ask(context, columns, rows, urgent=False)
        found = agreement(context.scope, columns, rows, context.selection.target)
        st.caption(plain(" ".join(found.sentences)))
        return found.rows, job
    return in_order(context.scope, rows, by), None


def _export(context: Context, rows: Rows, shown: Rows) -> None:
    name = f"{context.study.name}-{context.selection.run}-cell"
    with st.popover("Export", width="stretch"):
        st.download_button(
            f"Table of {len(rows):,} samples (CSV)",
            lambda: cell_csv(context, rows),
            file_name=f"{name}.csv",
            mime="text/csv",
            on_click="ignore",
            width="stretch",
        )
        st.download_button(
            f"Sheet of this page, {len(shown)} samples (PNG)",
            lambda: cell_sheet(context, shown),
            file_name=f"{name}-page{context.selection.page}.png",
            mime="image/png",
            on_click="ignore",
            width="stretch",
        )
