"""The status line: the worker, its device, running jobs with time left, the last warning."""

from __future__ import annotations

import html

import streamlit as st

from xai_core.worker.client import WorkerClient
from xai_core.worker.jobs import Job

SECONDS_BETWEEN_LOOKS = 1.0


def status_line(worker: WorkerClient) -> None:
    """Draw it; it looks again by itself only while something runs."""
    busy = _busy(worker)
    st.fragment(_line, run_every=SECONDS_BETWEEN_LOOKS if busy else None)(worker, busy)


def _busy(worker: WorkerClient) -> bool:
    status = worker.status()
    return (status.alive and not status.device) or any(job.open for job in worker.jobs())


def _line(worker: WorkerClient, was_busy: bool) -> None:
    if was_busy and not _busy(worker):
        st.rerun()
    jobs = [job for job in worker.jobs() if job.open]
    status = worker.status()
    if status.alive and status.device:
        state, word = "ready", f"Model worker ready on {status.device}"
    else:
        state, word = ("waking", "Model worker is starting") if status.alive else ("idle", "Model worker rests")
    st.html(f'<div class="status"><span class="dot {state}"></span>{html.escape(word)}</div>')
    with st.container(key="jobs", gap="small"):
        for job in jobs[:3]:
            _job(worker, job)
    if len(jobs) > 3:
        st.caption(f"and {len(jobs) - 3} more waiting")
    if status.last_warning:
        st.html(f'<div class="status warning" title="Last warning">{html.escape(status.last_warning)}</div>')


def _job(worker: WorkerClient, job: Job) -> None:
    st.html(progress_html(job))
    st.button("Stop", key=f"cancel.{job.id}", type="tertiary", on_click=worker.cancel, args=(job.id,))


def progress_html(job: Job) -> str:
    """A thin bar with words: what, how far, how long still."""
    share = job.done / job.total if job.total else 0.0
    words = "waiting" if job.state == "waiting" else f"{job.done} of {job.total}{_left(job)}"
    return (
        f'<div class="job"><div class="words"><span>{html.escape(job.title)}</span><span>{words}</span></div>'
        f'<div class="bar" role="progressbar" aria-valuenow="{share:.0%}"><i style="width:{share:.1%}"></i></div></div>'
    )


def _left(job: Job) -> str:
    if job.seconds_left is None:
        return ""
    seconds = round(job.seconds_left)
    return f" · {seconds} s left" if seconds < 90 else f" · {round(seconds / 60)} min left"
