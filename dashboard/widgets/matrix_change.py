"""The confusion matrices of two runs, their difference, and what became of each class's samples."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from dashboard.figures import confusion, transitions
from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.answers.compare import MATRIX_UP_TO, Comparison
from xai_core.triage.confusion import Per

_BARS = "compare.bars"


def matrices(context: Context, found: Comparison, baseline: str) -> None:
    """Draw both matrices on one scale, and the change; a list of cells where there are too many classes."""
    if found.classes > MATRIX_UP_TO:
        _largest_changes(found)
        return
    names, theme = context.study.class_names, page_theme()
    per = cast(Per, context.selection.counting)
    before, after, change = found.rates(per)
    units = "samples" if per == "count" else f"share of the {per} class"
    top = 1.0 if per != "count" else float(max(before.max(), after.max()))
    left, right = st.columns(2, gap="medium")
    for column, values, title in (
        (left, before, f"Before: {baseline} ({units})"),
        (right, after, f"After: {context.selection.run} ({units})"),
    ):
        figure = confusion.matrix(values, names, theme, per=per, title=title)
        figure.update_traces(zmax=top, showscale=found.classes > confusion.NUMBERED_UP_TO, selector={"type": "heatmap"})
        with column:
            plot(figure, key=f"matrix.{title[:5]}", alt=f"Confusion matrix, {title}")
    left, right = st.columns(2, gap="medium")
    with left:
        title = "Change: after − before"
        figure = confusion.difference(change, names, theme, per=per, title=title)
        plot(figure, key="matrix.change", alt="Difference of both confusion matrices")
        st.caption("Orange: more than before, blue: fewer. More is good on the diagonal and bad beside it.")
    with right:
        class_transitions(context, found)


def class_transitions(context: Context, found: Comparison) -> None:
    """Draw the bars of each class; a click on one lists its samples."""
    figure = transitions.bars(
        found.transition_table(), context.study.class_names, page_theme(), title="What became of each class"
    )
    st.plotly_chart(
        figure,
        theme=None,
        config={"displayModeBar": False},
        key=_BARS,
        on_select=lambda: _take(found, context.selection.cell),
        selection_mode="points",
    )
    st.caption("A click on a bar lists its samples below.")


def _take(found: Comparison, cell: tuple[int, int] | None) -> None:
    """The class and the transition of the bar that was clicked."""
    picked: list[dict[str, Any]] = st.session_state[_BARS]["selection"]["points"]
    if not picked:
        return
    true, kind = int(picked[0]["customdata"][2]), str(picked[0]["customdata"][3])
    keep = cell if cell and cell[0] == true else found.largest(true)
    if keep:
        session.update(true=keep[0], predicted=keep[1], among="class", transition=kind)


def _largest_changes(found: Comparison) -> None:
    changes = found.largest_changes()
    lines = [(true, said, f"{was:,}", f"{now:,}", f"{now - was:+,}") for true, said, was, now in changes]
    st.markdown(f"**The {len(lines)} cells that changed most** (of {found.classes:,} × {found.classes:,})")
    table(("True class", "Predicted", "Before", "After", "Change"), lines)
