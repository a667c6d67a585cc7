"""The study's jobs: at the side how far they are and what became of them, on a page what begins one."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import escaped, visible
from dashboard.widgets.problem import problem_box
from dashboard.widgets.progress import progress_html
from xai_core.errors import XaiError
from xai_core.jobs.manage import Jobs
from xai_core.jobs.record import StoredJob
from xai_core.settings import load

LISTED = 4
"""At most so many that run, and so many that ended before they were done."""

_ACTIONS = {"stop": "Stop", "resume": "Resume", "remove": "Remove"}
_BEGIN = {
    "repair": "Repair the last layer",
    "train": "Train",
    "predict": "Predict in the background",
    "explain": "Explain all of them",
    "check": "Check them in the background",
    "score": "Score in the background",
    "sanity": "Check them in the background",
}
_LINES = 40
_PROBLEM = "jobs.problem"


def listed(found: Sequence[StoredJob]) -> list[StoredJob]:
    """Those that somebody may want to do something about, the newest first."""
    working = [job for job in found if job.open]
    ended = [job for job in _unfinished(found) if not job.open]
    return working[:LISTED] + ended[:LISTED]


def _unfinished(found: Sequence[StoredJob]) -> list[StoredJob]:
    return [job for job in found if job.state != "done"]


def list_jobs(jobs: Jobs, found: Sequence[StoredJob]) -> None:
    """Draw them, with what can be done about each."""
    problem = st.session_state.pop(_PROBLEM, None)
    if problem:
        st.html(f'<div class="status warning" role="alert">{escaped(problem)}</div>')
    shown = listed(found)
    if not shown:
        return
    with st.container(key="study-jobs", gap="small"):
        st.caption("Jobs of this study")
        for job in shown:
            _job(jobs, job)
        more = len(_unfinished(found)) - len(shown)
        if more:
            st.caption(f"and {more:,} more; all of them in a terminal:")
            st.code(shlex.join(["xai", "jobs", str(jobs.study)]), language="bash")


def _job(jobs: Jobs, job: StoredJob) -> None:
    st.html(progress_html(job))
    if job.error:
        st.html(f'<div class="status warning">{escaped(job.error)}</div>')
    with st.container(horizontal=True, gap="small"):
        if job.state in ("starting", "waiting", "running"):
            _button("stop", jobs.stop, job)
        if job.resumable:
            _button("resume", jobs.resume, job)
        if not job.open:
            _button("remove", jobs.remove, job)
        with st.popover("Log", key=f"job.log.{job.id}", type="tertiary"):
            lines = [visible(line) for line in jobs.log(job.id)[-_LINES:]]
            st.code("\n".join(lines) or "Nothing was written.", language=None)
            st.caption("The same in a terminal:")
            st.code(jobs.command("show", job.id), language="bash")


def _button(action: str, act: Callable[[str], object], job: StoredJob) -> None:
    st.button(_ACTIONS[action], key=f"job.{action}.{job.id}", type="tertiary", on_click=_tried, args=(act, job.id))


def _tried(act: Callable[[str], object], name: str) -> None:
    """Somebody else may have been faster; that is told when the list is drawn."""
    try:
        act(name)
    except XaiError as error:
        st.session_state[_PROBLEM] = str(error)


def begin_button(context: Context, operation: str, arguments: Mapping[str, Any], command: str) -> None:
    """A button that begins a job and the command that does the same; while it runs, where it is seen."""
    try:
        jobs = Jobs(context.study.path)
        if jobs.running(operation, arguments) is not None:
            st.caption("This runs in the background: see at the left how far it is.")
        elif st.button(_BEGIN[operation], key=f"job.begin.{operation}"):
            jobs.start(operation, arguments, load())
            st.rerun()
    except XaiError as error:
        problem_box(error)
    st.code(command, language="bash")


def open_job(context: Context, *operations: str) -> StoredJob | None:
    """A job of these kinds that works on the chosen run; None where there is none, or jobs cannot be read."""
    try:
        found = Jobs(context.study.path).all()
    except XaiError:
        return None
    return next((job for job in found if job.open and _about(job, context.scope.run.name, operations)), None)


def _about(job: StoredJob, run: str, operations: Sequence[str]) -> bool:
    return job.what is not None and job.what.operation in operations and job.what.arguments.get("run") == run
