"""The status line: the worker, its device, what it does and the study's jobs with time left, the last warning."""

from __future__ import annotations

from collections.abc import Container

import streamlit as st

from dashboard.text import escaped
from dashboard.widgets.jobs import list_jobs
from dashboard.widgets.progress import progress_html
from xai_core.jobs.manage import Jobs
from xai_core.worker.client import Worker
from xai_core.worker.jobs import Job

SECONDS_BETWEEN_LOOKS = 1.0


def status_line(worker: Worker, jobs: Jobs, shown: Container[str] = ()) -> None:
    """Draw it; it looks again by itself only while something runs.

    Args:
        jobs: those of the chosen study.
        shown: ids of the worker's jobs that the page itself shows: they are not listed again.
    """
    running = _running(worker, jobs, shown)
    every = SECONDS_BETWEEN_LOOKS if running else None
    st.fragment(_line, run_every=every)(worker, jobs, shown, running)


def _running(worker: Worker, jobs: Jobs, shown: Container[str]) -> frozenset[str]:
    """What changes by itself; when one of it ends, the page has more to show."""
    found = {job.id for job in jobs.all() if job.open} | {job.id for job in _elsewhere(worker, shown)}
    return frozenset(found | ({"worker"} if _starting(worker) else set()))


def _starting(worker: Worker) -> bool:
    status = worker.status()
    return status.alive and not status.device


def _elsewhere(worker: Worker, shown: Container[str]) -> list[Job]:
    return [job for job in worker.jobs() if job.open and job.id not in shown]


def _line(worker: Worker, jobs: Jobs, shown: Container[str], were_running: frozenset[str]) -> None:
    running = _running(worker, jobs, shown)
    if were_running - running or (running and not were_running):  # the first, as one resumed here: begin to look again
        st.rerun()
    status = worker.status()
    if status.alive and status.device:
        state, word = "ready", f"Model worker ready on {status.device}"
    else:
        state, word = ("waking", "Model worker is starting") if status.alive else ("idle", "Model worker is idle")
    st.html(f'<div class="status"><span class="dot {state}"></span>{escaped(word)}</div>')
    waited = _elsewhere(worker, shown)
    if waited:
        _list(worker, waited)
    list_jobs(jobs, jobs.all())
    if status.last_warning:
        st.html(f'<div class="status warning" title="Last warning">{escaped(status.last_warning)}</div>')


def _list(worker: Worker, jobs: list[Job]) -> None:
    with st.container(key="jobs", gap="small"):
        st.caption("In the background")
        for job in jobs[:3]:
            _job(worker, job)
        if len(jobs) > 3:
            st.caption(f"and {len(jobs) - 3} more waiting")


def _job(worker: Worker, job: Job) -> None:
    st.html(progress_html(job))
    st.button("Stop", key=f"cancel.{job.id}", type="tertiary", on_click=worker.cancel, args=(job.id,))
