"""Did the fix work?"""

from __future__ import annotations

import shlex

import streamlit as st

from dashboard.frame import session
from dashboard.frame.cached import scenarios_of
from dashboard.frame.context import Context
from dashboard.text import Markdown, plain
from dashboard.widgets.arms import arms
from dashboard.widgets.before_after import before_after
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.groups import groups_of_both
from dashboard.widgets.matrix_change import matrices
from dashboard.widgets.part import part
from dashboard.widgets.pixel_comparison import pixel_comparison
from dashboard.widgets.problem import problem_box
from dashboard.widgets.several_runs import several_runs
from dashboard.widgets.table import table
from dashboard.widgets.transitions import flows, totals
from dashboard.widgets.two_runs import cell_choice, two_runs
from dashboard.widgets.verdicts import caveats, verdict_card
from xai_core.answers.compare import Comparison, comparison
from xai_core.answers.scenarios import HEADS
from xai_core.store.run import Run
from xai_core.task import CLASSIFICATION, SEGMENTATION
from xai_core.triage.compare import CAVEATS
from xai_core.triage.confusion import Cell
from xai_core.words import COUNTED_AS

TITLE = "Compare"
QUESTION = "Did the fix work?"
ICON = "compare"
URL = "compare"
ORDER = 60
TASKS = (CLASSIFICATION, SEGMENTATION)


def render(context: Context) -> None:
    """Draw the page. A damaged run is told, and takes only what is about it away."""
    if context.study.info.task == SEGMENTATION:
        pixel_comparison(context)
        return
    damaged = context.readable.damaged
    for why in damaged.values():
        problem_box(why)
    if context.run is None or (context.run.name not in damaged and context.predictions is None):
        no_predictions(context)
        return
    if len(context.study.runs()) < 2:
        _one_run(context, context.run)
        return
    with st.container(key="two-runs"):
        baseline = two_runs(context)
    if baseline is None:
        empty("Compared with which run?", f"Choose the run to compare {context.run.name} with.")
    elif damaged.keys() & {context.run.name, baseline.name}:
        _others(context, baseline, context.selection.cell)
    elif found := _found(context, baseline):
        _page(context, baseline, found)


def _one_run(context: Context, run: Run) -> None:
    study, name = shlex.quote(str(context.study.path)), shlex.quote(run.name)
    line = f"xai train {study} --run fix --parent {name} --augment top_biased_crop"
    empty("There is one run", "A comparison needs two: train a variation of it, then predict.", command=line)


def _found(context: Context, baseline: Run) -> Comparison | None:
    """What can be compared; None, with the reason drawn, where nothing can."""
    if baseline.predictions is None:
        line = f"xai predict {shlex.quote(str(context.study.path))} --run {shlex.quote(baseline.name)}"
        empty(f"{baseline.name} has no predictions yet", "Let it look at the samples first.", command=line)
        return None
    found = comparison(baseline, context.scope.run, context.selection.split, context.where)
    if not len(found.rows):
        empty("No common samples", "No sample of this split was predicted by both runs. Choose another split.")
        return None
    return found


def _page(context: Context, baseline: Run, found: Comparison) -> None:
    st.markdown(_counted(found))
    cell = cell_choice(context, found)
    with st.container(key="verdicts"):
        _verdicts(found, cell)
    totals(found)
    if found.groups is not None:
        with st.container(key="groups"):
            groups_of_both(found.groups)
    with st.container(key="scenarios"):
        _scenarios(found)
    st.segmented_control(
        "Cells show",
        list(COUNTED_AS),
        format_func=lambda mode: plain(COUNTED_AS[mode]),
        **session.bound("rates", context.selection.counting),
    )
    matrices(context, found, baseline.name)
    _others(context, baseline, cell)
    if cell is not None:
        with st.container(key="gallery"):
            st.subheader("The same samples, before and after", anchor=False)
            flows(found, cell)
            before_after(context, found, baseline, cell)


def _others(context: Context, baseline: Run, cell: Cell | None) -> None:
    """What there is besides these two runs."""
    arms(context, baseline, cell)
    if baseline.name not in context.readable.damaged:
        several_runs(context, baseline, cell)


def _scenarios(found: Comparison) -> None:
    """In which parts of the samples accuracy changed."""
    part("Where did it work?", "By class, tag, fact, size of the object and group.")
    answer = scenarios_of(found)
    st.markdown(plain(answer.sentence))
    table(HEADS, answer.lines, hints=("What these samples share; where a change may be claimed first",))
    st.caption(plain(answer.note))


def _counted(found: Comparison) -> Markdown:
    rest = found.counted.removeprefix(found.subject).strip()
    return Markdown(f"**{plain(found.subject)}** {plain(rest)}")


def _verdicts(found: Comparison, cell: Cell | None) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        verdict_card(found.accuracy)
    if cell is not None:
        with right:
            verdict_card(found.cell(cell))
    caveats(CAVEATS)
