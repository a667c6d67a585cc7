"""How good is a segmenter, and where in its pictures is it wrong?"""

from __future__ import annotations

import streamlit as st

from dashboard.figures import history
from dashboard.frame import session
from dashboard.frame.cached import segments_of
from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.data_card import data_card
from dashboard.widgets.empty import no_predictions
from dashboard.widgets.label_gallery import label_gallery
from dashboard.widgets.pages import on_page, pages_below
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.answers.segments import HEADS, SegmentsAnswer
from xai_core.store.run import Run
from xai_core.task import SEGMENTATION

TITLE = "Segmentation"
QUESTION = "How good is it, and where in its pictures is it wrong?"
ICON = "segmentation"
URL = "segmentation"
ORDER = 15
TASKS = (SEGMENTATION,)

ON_A_PAGE = 12


def render(context: Context) -> None:
    """Draw the page."""
    run = context.run
    found = segments_of(run, context.selection.split, context.where) if run is not None else None
    if run is None or found is None or not len(found.rows):
        no_predictions(context)
    else:
        _classes(found)
        with st.container(key="pictures"):
            _pictures(context, run, found)
        _curves(run)
    with st.expander("The data"):
        data_card(context)


def _classes(found: SegmentsAnswer) -> None:
    st.markdown(f"**{plain(found.sentence)}**")
    table(HEADS, found.lines)
    for note in found.notes:
        st.caption(plain(note))
    if st.button("What is taken for what? Open Confusion", key="to-confusion"):
        session.go("confusion")


def _pictures(context: Context, run: Run, found: SegmentsAnswer) -> None:
    part("Pictures", "Most wrong pixels first. Open one to ask why.")
    pictures = found.pictures()
    opened = label_gallery(context, run, on_page(context, pictures, ON_A_PAGE), key="labels")
    if opened is not None:
        session.go("sample", sample=opened, target="predicted")
    pages_below(context, len(pictures), ON_A_PAGE)


def _curves(run: Run) -> None:
    if run.history is not None and len(run.history):
        figure = history.curves(run.history, page_theme(), title="Training curves")
        plot(figure, key="history", alt="Loss and accuracy over epochs")
