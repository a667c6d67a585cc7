"""Trainings and repairs that go on right now: how far each is, its curves so far, and what ends it."""

from __future__ import annotations

import streamlit as st

from dashboard.figures.history import curves
from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.problem import problem_box
from dashboard.widgets.progress import progress_html
from xai_core.answers.training import curves_of
from xai_core.errors import XaiError
from xai_core.jobs.manage import Jobs
from xai_core.jobs.record import StoredJob
from xai_core.jobs.repairing import run_made
from xai_core.jobs.training import current_run
from xai_core.store.readable import newest_run

SECONDS_BETWEEN_LOOKS = 2.0

_FOLLOWED = {"train": ("Being trained", current_run), "repair": ("Last layer being repaired", run_made)}
"""By operation: what is said of a job, and the run that comes of it."""


def training(context: Context) -> None:
    """Draw them; nothing where none goes on."""
    found = _open(context)
    every = SECONDS_BETWEEN_LOOKS if found else None
    st.fragment(_drawn, run_every=every)(context, tuple(job.id for job in found))


def _open(context: Context) -> list[StoredJob]:
    """What is at work, then what waits for its turn."""
    jobs = Jobs(context.study.path).all()
    found = [job for job in jobs if job.open and job.what and job.what.operation in _FOLLOWED]
    return sorted(found, key=lambda job: job.state == "waiting")


def _drawn(context: Context, before: tuple[str, ...]) -> None:
    found = _open(context)
    if tuple(job.id for job in found) != before:  # one ended, or began elsewhere
        st.rerun()
    for job in found:
        with st.container(key=f"training.{job.id}"):
            _job(context, job)
    if not found:
        _newest(context)


def _newest(context: Context) -> None:
    """The way on from what was trained last, where it varies another run."""
    run, _ = newest_run(context.study)
    if run is None or not run.has_predictions or run.info.parent not in context.study.runs():
        return
    part("Trained last", f"{run.name}, which varies {run.info.parent}.")
    if st.button("Did it work?", key="training.compare", type="primary"):
        session.go("compare", run=run.name, other=run.info.parent)


def _job(context: Context, job: StoredJob) -> None:
    assert job.what is not None
    doing, run_of = _FOLLOWED[job.what.operation]
    try:
        name = run_of(context.study, job.what.arguments)
    except XaiError as error:  # a file that somebody changed
        problem_box(error)
        return
    part(f"{'Waits for its turn' if job.state == 'waiting' else doing}: {name}")
    bar, button = st.columns([8, 1], vertical_alignment="bottom")
    bar.html(progress_html(job))
    button.button("Stop", key=f"training.stop.{job.id}", on_click=_stop, args=(context, job.id), width="stretch")
    history = curves_of(context.study, name)
    if len(history):
        plot(curves(history, page_theme()), key=f"training.curves.{job.id}", alt=f"Loss and accuracy of {name} so far.")
    elif job.what.operation == "train":
        st.caption("Curves come with the first epoch.")


def _stop(context: Context, job: str) -> None:
    try:
        Jobs(context.study.path).stop(job)
    except XaiError as error:  # it may have ended meanwhile
        problem_box(error)
