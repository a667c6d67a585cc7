"""The form of a repair: whose last layer is learned again, how, from what, and by which groups."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import plain, visible
from dashboard.widgets.jobs import begin_button
from dashboard.widgets.param_form import param_form
from dashboard.widgets.part import part
from xai_core.answers.repairing import RepairPlan, groups_told, methods_in_order, splits_to_learn_from, ways_to_group
from xai_core.store.study import Study
from xai_core.training.config import TrainParams
from xai_core.training.repairs import REPAIRS
from xai_core.words import of_split


def repair_form(context: Context) -> None:
    """Draw it, where a run has a last layer that can be learned again and there are samples to learn from."""
    study = context.study
    runs = [run.name for run in reversed(context.readable.runs) if run.has_model]
    splits = splits_to_learn_from(study)
    if not runs or not splits:
        return
    part(
        "Or repair the last layer",
        "Seconds instead of a training: what the network sees stays, and what it makes of it is learned again. "
        "It becomes a run of its own.",
    )
    left, right = st.columns(2, gap="medium")
    with left:
        first = context.run.name if context.run and context.run.name in runs else runs[0]
        run = st.selectbox("Run", runs, runs.index(first), format_func=visible, key=f"repair.run.{first}")
        split = st.selectbox("Learned from", splits, format_func=_split_words, help=_SPLIT, key="repair.split")
    with right:
        method = _method(study)
        more = _more(method)
    card = REPAIRS[method].card
    st.caption(plain(f"{card.summary} {card.blind_spot}"))
    if told := groups_told(study, method, split):
        st.caption(plain(told))
    groups = ""
    if REPAIRS[method].grouped:
        ways = ways_to_group(study)
        groups = st.selectbox("Groups by", list(ways), format_func=lambda way: visible(ways[way]), key="repair.groups")
    plan = RepairPlan(context.services.studies.run(study, run), method, groups=groups, split=split, **more)
    begin_button(context, "repair", plan.arguments, plan.line)


_SPLIT = "Validation is new to the network. Judge the repaired run on other samples than it learned from."


def _split_words(split: str) -> str:
    return of_split(split).capitalize()


def _method(study: Study) -> str:
    return str(
        st.selectbox(
            "Method",
            methods_in_order(study),
            format_func=lambda key: REPAIRS[key].card.title,
            help="The first is the control: what does not beat it repaired nothing.",
            key="repair.method",
        )
    )


def _more(method: str) -> dict[str, Any]:
    """Seed, and the method's parameters."""
    with st.expander("The method's parameters, and the seed"):
        params = param_form(REPAIRS[method].params, {}, key=f"repair.{method}")
        return {"params": params} | param_form(TrainParams, {}, key="repair", only=("seed",))
