"""What a page shows instead of an empty space: what is missing, and the next step."""

from __future__ import annotations

import shlex

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import escaped, plain
from dashboard.widgets.jobs import begin_button
from xai_core.store.run import Run
from xai_core.task import SEGMENTATION

FIRST = """\
xai open %(study)s --arch torchvision:NAME --weights FILE --classes A,B,…
xai open %(study)s --predictions FILE.csv
xai train %(study)s --run first --arch small_resnet"""

FIRST_SEGMENTER = "xai train %(study)s --run first --arch small_unet --predict"


def empty(title: str, text: str, *, command: str | None = None) -> None:
    """A quiet box. `command` is a line, or several to choose from, to run in a terminal, offered for copying."""
    st.html(f'<div class="empty"><h3>{escaped(title)}</h3><p>{escaped(text)}</p></div>')
    if command:
        st.code(command, language="bash")


def no_predictions(context: Context) -> None:
    """For pages that need predictions: says which step is missing."""
    study, run = shlex.quote(str(context.study.path)), context.run
    if run is None and context.readable.damaged:
        empty("No run can be read", "What is damaged, and what to do about it, stands above.")
    elif run is None:
        empty(
            "No run yet",
            "Bring a model with its weights, or its predictions, or train one here.",
            command=(FIRST_SEGMENTER if context.study.info.task == SEGMENTATION else FIRST) % {"study": study},
        )
    elif not run.has_predictions:
        empty("This run has no predictions yet", "Let the model look at the samples first.")
        _predict(context, run)
    elif context.where:
        empty("No such samples", "The run predicted no sample of this split with these facts. Give up one of them.")
    else:
        empty(
            "No predictions in this split",
            "The run was not applied to these samples. Choose another split at the left.",
        )
        if run.has_model:
            _predict(context, run)


def another_task(task: str) -> None:
    """For pages whose question a study of this task cannot be asked."""
    where = "segmentation" if task == SEGMENTATION else "overview"
    empty("This page asks another kind of study", f"Models of this study do {task}. Another page is about that.")
    if session.has_page(where) and st.button(plain(f"Open {where.capitalize()}"), key="another-task"):
        session.go(where)


def _predict(context: Context, run: Run) -> None:
    line = shlex.join(["xai", "predict", str(context.study.path), "--run", run.name])
    begin_button(context, "predict", {"run": run.name}, line)
