"""What is here, and how good is it?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.figures import history, reliability
from dashboard.frame.cached import measured, runs_of
from dashboard.frame.context import Context
from dashboard.text import escaped, plain
from dashboard.widgets.data_card import data_card
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.groups import groups_of_run
from dashboard.widgets.pixel_overview import pixel_run, pixel_runs
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.runs_table import runs_figures, runs_table
from dashboard.widgets.worst_pairs import worst_pairs
from xai_core.answers.confusion import LISTED, ConfusionAnswer
from xai_core.answers.overview import RunAnswer, run_answer, seen
from xai_core.store.readable import damage
from xai_core.task import CLASSIFICATION, SEGMENTATION
from xai_core.words import of_split

TITLE = "Overview"
QUESTION = "What is here, and how good is it?"
ICON = "overview"
URL = "overview"
ORDER = 10
TASKS = (CLASSIFICATION, SEGMENTATION)


def render(context: Context) -> None:
    """Draw the page."""
    with st.container(key="data-card"):
        data_card(context)
    pixels = context.study.info.task == SEGMENTATION
    with st.container(key="runs"):
        (pixel_runs if pixels else _runs)(context)
    if context.run is not None and not damage(context.run):  # the table of runs tells of damage
        with st.container(key="run"):
            (pixel_run if pixels else _run)(context)


def _runs(context: Context) -> None:
    st.subheader("Runs", anchor=False)
    if context.run is None:
        no_predictions(context)
        return
    runs = runs_of(context)
    st.caption(plain(f"{seen(context.selection.split, context.where)} Choose others at the left."))
    runs_table(context, runs)
    runs_figures(runs)


def _run(context: Context) -> None:
    st.subheader(f"Run {plain(context.selection.run)}", anchor=False)
    if not len(context.members.rows):
        no_predictions(context)
        _curves(context.scope.run.history)
        return
    found = run_answer(context.scope, measured(context.scope))
    if found.confusion is not None:
        if found.confusion.unpredicted:
            st.caption(plain(found.confusion.unpredicted))
        left, right = st.columns([4, 3], gap="large")
        with left:
            _worst(found.confusion)
        with right:
            _reliability(found)
    if found.groups is not None:
        with st.container(key="groups"):
            groups_of_run(found.groups)
    _curves(found.history)


def _worst(found: ConfusionAnswer) -> None:
    st.html(f'<p class="figure-title">Worst pairs, {escaped(of_split(found.split))}</p>')
    if found.pairs.empty:
        empty("No confusions", f"All {found.n:,} samples of this split are right.")
    else:
        worst_pairs(found.pairs.head(LISTED))


def _reliability(found: RunAnswer) -> None:
    title = "Right as often as it says?"
    if found.lacks and not found.reliability["n"].any():
        st.html(f'<p class="figure-title">{title}</p>')
        st.caption(plain(found.lacks))
        return
    figure = reliability.calibration(found.reliability, found.calibration, page_theme(), title=title)
    plot(figure, key="reliability", alt="Accuracy against confidence")


def _curves(table: pd.DataFrame | None) -> None:
    if table is not None and len(table):
        figure = history.curves(table, page_theme(), title="Training curves")
        plot(figure, key="history", alt="Loss and accuracy over epochs")
