"""Try a fix."""

from __future__ import annotations

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.empty import empty
from dashboard.widgets.jobs import begin_button
from dashboard.widgets.part import part
from dashboard.widgets.preview import preview
from dashboard.widgets.repair_form import repair_form
from dashboard.widgets.train_form import train_form
from dashboard.widgets.training import training
from xai_core.task import CLASSIFICATION, SEGMENTATION

TITLE = "Train"
QUESTION = "What happens if it is trained otherwise?"
ICON = "train"
URL = "train"
ORDER = 58
TASKS = (CLASSIFICATION, SEGMENTATION)


def render(context: Context) -> None:
    """Draw the page."""
    if not len(context.study.rows("train")):
        empty("Nothing to train on", "This study has no training split. Make one of data with pictures to train on.")
        return
    training(context)
    part("Plan a training", "It becomes a run like any other; the parent stays as it is.")
    plan = train_form(context)
    if plan is not None:
        preview(context, plan)
        st.caption(plain(plan.estimate))
        begin_button(context, "train", plan.arguments, plan.line)
    if context.study.info.task == CLASSIFICATION:
        repair_form(context)
