"""What a table of explanation quality lacks, as a job: offered with how long it takes, followed and stopped here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import escaped
from dashboard.widgets.empty import empty
from dashboard.widgets.jobs import begin_button
from dashboard.widgets.problem import problem_box
from dashboard.widgets.progress import progress_html
from xai_core.answers.method_quality import MethodQuality
from xai_core.answers.quality_choice import needed
from xai_core.errors import XaiError
from xai_core.jobs.manage import Jobs
from xai_core.jobs.record import StoredJob
from xai_core.text import counted

OPERATIONS = ("score", "check")
"""Jobs that fill the table; the first is what begins here."""


def follow(context: Context, job: StoredJob) -> None:
    """How far it is, and a button that ends it; what it finished is kept."""
    bar, button = st.columns([8, 1], vertical_alignment="bottom")
    bar.html(progress_html(job))
    button.button("Stop", key="quality.stop", on_click=_stop, args=(context, job.id), width="stretch")


def _stop(context: Context, job: str) -> None:
    try:
        Jobs(context.study.path).stop(job)
    except XaiError as error:  # it may have ended meanwhile
        problem_box(error)


def offer(context: Context, found: MethodQuality, arguments: Mapping[str, Any], command: str) -> None:
    """What is missing and how long it takes, beside what begins it; nothing where all is there."""
    if not found.missing:
        return
    lacking = needed(found).sentence
    if any(cell.n for cell in found.cells.values()):
        st.html(f'<div class="offer">{escaped(lacking)}</div>')
    else:
        methods, controls = counted(len(found.believable), "method"), counted(len(found.controls), "control")
        metrics, samples = counted(len(found.metrics), "metric"), counted(len(found.rows), "sample")
        empty(
            "Nothing is scored yet",
            f"{methods} and {controls}, which know nothing of the model, by {metrics} on {samples}. {lacking} "
            "It goes on while you look at other pages.",
        )
    begin_button(context, OPERATIONS[0], arguments, command)
