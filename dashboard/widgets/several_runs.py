"""More than two models beside each other: all of the study's newest against the baseline."""

from __future__ import annotations

import streamlit as st

from dashboard.figures.arms import arms as figure
from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.answers.many_runs import HEADS_OF_RUNS, many_runs, single_runs
from xai_core.store.run import Run
from xai_core.triage.confusion import Cell


def several_runs(context: Context, baseline: Run, cell: Cell | None) -> None:
    """Draw a table and a panel for each outcome; nothing where there are only two runs."""
    found = many_runs(baseline, single_runs(context.readable, baseline), context.selection.split, context.where, cell)
    if len(found.against) < 2:
        return
    with st.container(key="several-runs"):
        part(f"Other models against {baseline.name}")
        table(HEADS_OF_RUNS, found.lines)
        plot(figure(found.shares(), page_theme()), key="several-runs.shares", alt="Accuracy of each run, and its cell.")
        st.caption(plain(found.note))
