"""The form of a repair: whose last layer is learned again, how, and by which groups."""

from __future__ import annotations

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import plain, visible
from dashboard.widgets.jobs import begin_button
from dashboard.widgets.part import part
from xai_core.answers.repairing import RepairPlan, groups_told, ways_to_group
from xai_core.training.repairs import REPAIRS


def repair_form(context: Context) -> None:
    """Draw it, where a run has a last layer that can be learned again and there are samples to learn from."""
    study = context.study
    runs = [run.name for run in reversed(study.readable_runs()) if run.has_model]
    if not runs or not len(study.rows("validation")):
        return
    part(
        "Or repair the last layer",
        "Seconds instead of a training: what the network sees stays, and what it makes of it is learned again from the "
        "validation samples. It becomes a run of its own.",
    )
    first = context.run.name if context.run and context.run.name in runs else runs[0]
    left, right = st.columns(2, gap="medium")
    with left:
        run = st.selectbox("Run", runs, runs.index(first), format_func=visible, key=f"repair.run.{first}")
    with right:
        keys = sorted(REPAIRS.keys(), key=lambda key: (REPAIRS[key].grouped != (study.grouping is not None), key))
        method = st.selectbox("Method", keys, format_func=lambda key: REPAIRS[key].card.title, key="repair.method")
    card = REPAIRS[method].card
    st.caption(plain(f"{card.summary} {card.blind_spot}"))
    if told := groups_told(study, method):
        st.caption(plain(told))
    groups = ""
    if REPAIRS[method].grouped:
        ways = ways_to_group(study)
        groups = st.selectbox("Groups by", list(ways), format_func=lambda way: visible(ways[way]), key="repair.groups")
    plan = RepairPlan(context.services.studies.run(study, run), method, groups)
    begin_button(context, "repair", plan.arguments, plan.line)
