"""The status line: the worker, its device, running jobs with time left, the last warning."""

from __future__ import annotations

from collections.abc import Container

import streamlit as st

from dashboard.text import escaped
from xai_core.worker.client import Worker
from xai_core.worker.jobs import Job

SECONDS_BETWEEN_LOOKS = 1.0


def status_line(worker: Worker, shown: Container[str] = ()) -> None:
    """Draw it; it looks again by itself only while something runs.

    Args:
        shown: ids of the jobs that the page itself shows: they are not listed again.
    """
    busy = _starting(worker) or bool(_elsewhere(worker, shown))
    st.fragment(_line, run_every=SECONDS_BETWEEN_LOOKS if busy else None)(worker, shown, busy)


def _starting(worker: Worker) -> bool:
    status = worker.status()
    return status.alive and not status.device


def _elsewhere(worker: Worker, shown: Container[str]) -> list[Job]:
    return [job for job in worker.jobs() if job.open and job.id not in shown]


def _line(worker: Worker, shown: Container[str], was_busy: bool) -> None:
    jobs = _elsewhere(worker, shown)
    if was_busy and not jobs and not _starting(worker):
        st.rerun()
    status = worker.status()
    if status.alive and status.device:
        state, word = "ready", f"Model worker ready on {status.device}"
    else:
        state, word = ("waking", "Model worker is starting") if status.alive else ("idle", "Model worker rests")
    st.html(f'<div class="status"><span class="dot {state}"></span>{escaped(word)}</div>')
    if jobs:
        _list(worker, jobs)
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


def progress_html(job: Job) -> str:
    """A thin bar with words: what, how far, how long still."""
    share = job.done / job.total if job.total else 0.0
    words = "waiting" if job.state == "waiting" else f"{job.done} of {job.total}{_left(job)}"
    return (
        f'<div class="job"><div class="words"><span>{escaped(job.title)}</span><span>{words}</span></div>'
        f'<div class="bar" role="progressbar" aria-valuenow="{share:.0%}"><i style="width:{share:.1%}"></i></div></div>'
    )


def _left(job: Job) -> str:
    if job.seconds_left is None:
        return ""
    seconds = round(job.seconds_left)
    return f" · {seconds} s left" if seconds < 90 else f" · {round(seconds / 60)} min left"
