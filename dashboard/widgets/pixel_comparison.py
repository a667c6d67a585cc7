"""Two segmenters on the same pictures: what changed class by class, and the pictures that changed most."""

from __future__ import annotations

import shlex

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.confusion_choice import confusion_choice
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.label_gallery import change_gallery
from dashboard.widgets.pages import on_page, pages_below
from dashboard.widgets.part import part
from dashboard.widgets.problem import problem_box
from dashboard.widgets.table import table
from dashboard.widgets.two_runs import two_runs
from xai_core.answers.confusion import counts_of
from xai_core.answers.segments_change import HEADS, SegmentsChange, segments_change
from xai_core.errors import XaiError
from xai_core.regions import of_cell
from xai_core.store.run import Run

ON_A_PAGE = 12


def pixel_comparison(context: Context) -> None:
    """Draw the page Compare of a study of segmentation."""
    run = context.run
    if run is None or not len(context.predicted):
        no_predictions(context)
        return
    if len(context.study.runs()) < 2:
        line = shlex.join(["xai", "train", str(context.study.path), "--run", "fix", "--parent", run.name, "--predict"])
        empty("There is one run", "A comparison needs two: train a variation of it.", command=line)
        return
    with st.container(key="two-runs"):
        baseline = two_runs(context)
    if baseline is None:
        empty("Compared with which run?", f"Choose the run to compare {run.name} with.")
        return
    cell = context.selection.cell
    try:
        found = segments_change(baseline, run, context.selection.split, context.where, cell)
    except XaiError as problem:  # another baseline can be chosen
        problem_box(problem)
        return
    _change(found)
    _cell(context, found)
    _pictures(context, baseline, run, found)


def _change(found: SegmentsChange) -> None:
    st.markdown(f"**{plain(found.sentence)}** {plain(found.edges_sentence)}")
    table(HEADS, found.lines)
    for note in found.notes:
        st.caption(plain(note))


def _cell(context: Context, found: SegmentsChange) -> None:
    """The choice of a confusion, and how it changed."""
    part("One confusion, before and after")
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    with left:
        confusion_choice(context, counts_of(context.scope), first=False)
    with right:
        if found.cell:
            st.markdown(f"**{plain(found.cell.sentence)}**")
            st.caption(plain(found.cell.note))


def _pictures(context: Context, baseline: Run, run: Run, found: SegmentsChange) -> None:
    cell, pictures = context.selection.cell, found.most
    part("The same pictures, before and after")
    if found.cell:
        groups = {"cell": found.cell.title, "all": "Any change"}
        chosen = context.selection.among if context.selection.among in groups else "all"
        st.segmented_control(
            "Pictures with", list(groups), format_func=lambda one: plain(groups[one]), **session.bound("among", chosen)
        )
        cell, pictures = (cell, found.cell.most(found.rows)) if chosen == "cell" else (None, found.most)
    st.caption(f"Those first whose number of {'pixels in the cell' if cell else 'right pixels'} changed most.")
    if not pictures:
        empty("No picture changed", "Both runs have as many such pixels in every picture.")
        return
    opened = change_gallery(context, baseline, run, on_page(context, pictures, ON_A_PAGE), cell, key="changed")
    if opened is not None:
        session.go("sample", sample=opened, **({"target": of_cell(*cell).key} if cell else {}))
    pages_below(context, len(pictures), ON_A_PAGE)
