"""How good the segmenters of a study are: all of them in a table, and the chosen one class by class."""

from __future__ import annotations

import streamlit as st

from dashboard.figures import history
from dashboard.frame import session
from dashboard.frame.cached import segments_of
from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.empty import no_predictions
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.problem import problem_box
from dashboard.widgets.table import table
from xai_core.answers.segments import HEADS, RUN_HEADS, run_lines
from xai_core.errors import XaiError


def pixel_runs(context: Context) -> None:
    """Draw all runs, the newest first."""
    st.subheader("Runs", anchor=False)
    if context.run is None:
        no_predictions(context)
        return
    found = []
    for run in reversed(context.readable.runs):
        try:
            found.append((run, segments_of(run, context.selection.split, context.where)))
        except XaiError as problem:
            problem_box(problem)
    table(RUN_HEADS, run_lines(found))
    for why in context.readable.damaged.values():
        problem_box(why)


def pixel_run(context: Context) -> None:
    """Draw the chosen run."""
    run = context.scope.run
    st.subheader(f"Run {plain(run.name)}", anchor=False)
    if not len(context.predicted):
        no_predictions(context)
    else:
        found = segments_of(run, context.selection.split, context.where)
        st.markdown(f"**{plain(found.sentence)}**")
        table(HEADS, found.lines)
        with st.container(horizontal=True, gap="small"):
            for page, question in (("segmentation", "Where is it wrong?"), ("confusion", "What is taken for what?")):
                if st.button(f"{plain(question)} Open {plain(page.capitalize())}", key=f"to-{page}"):
                    session.go(page)
    if run.history is not None and len(run.history):
        plot(history.curves(run.history, page_theme(), title="Training curves"), key="history", alt="Loss over epochs")
