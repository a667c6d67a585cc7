"""Two runs to compare, and the cell of the confusion matrix that the comparison is about."""

from __future__ import annotations

import streamlit as st

from dashboard.frame import session
from dashboard.frame.comparison import baseline_of
from dashboard.frame.context import Context
from dashboard.text import escaped, plain, visible
from xai_core.answers.compare import CHOSEN_FOR_YOU, Comparison
from xai_core.store.run import Run
from xai_core.triage.confusion import Cell

_KEYS = ("compare.true", "compare.predicted")


def two_runs(context: Context) -> Run | None:
    """Draw the choice of the baseline beside the candidate's name; gives the baseline, None where none is chosen."""
    assert context.run is not None, "there is a candidate"
    candidate, baseline = context.run.name, baseline_of(context)
    others = [name for name in reversed(context.study.runs()) if name != candidate]
    left, arrow, right, swap = st.columns([5, 1, 5, 3], vertical_alignment="bottom")
    with left:
        st.selectbox(
            "Baseline: before",
            others,
            format_func=visible,
            index=0 if baseline else None,
            placeholder="Choose a run",
            help=plain(_why(context, baseline)),
            **session.bound("other", baseline.name if baseline else None),
        )
    arrow.html('<div class="arrow" aria-hidden="true">→</div>')
    right.html(
        f'<div class="candidate"><label>Candidate: after</label><b>{escaped(candidate)}</b>'
        "<span>the run at the left</span></div>"
    )
    if baseline:
        change = {"run": baseline.name, "other": candidate}
        swap.button("Swap", on_click=session.update, kwargs=change, help="Take the baseline for the candidate.")
    return baseline


def _why(context: Context, baseline: Run | None) -> str:
    parent = context.run.info.parent if context.run else None
    if baseline and baseline.name == parent:
        return f"{parent} is the parent of the candidate: what it was varied from."
    return "Any other run of the study that predicted the same samples."


def cell_choice(context: Context, found: Comparison) -> Cell | None:
    """Draw the two classes of the cell; gives (true, predicted). Without a choice it is the baseline's largest."""
    names, chosen = context.study.class_names, context.selection.cell
    cell = chosen or found.largest()
    if cell is None:
        return None
    classes = list(range(found.classes))
    for key, one in zip(_KEYS, cell, strict=True):
        st.session_state[key] = one

    def shown(index: int) -> str:
        return visible(names[index])

    left, right, note = st.columns([3, 3, 6], vertical_alignment="bottom")
    left.selectbox("The cell: true class", classes, format_func=shown, key=_KEYS[0], on_change=_take)
    right.selectbox("Predicted as", classes, format_func=shown, key=_KEYS[1], on_change=_take)
    if chosen is None:
        note.caption(plain(CHOSEN_FOR_YOU))
    return cell


def _take() -> None:
    true, predicted = (st.session_state[key] for key in _KEYS)
    session.update(true=true, predicted=predicted)
