"""Jobs that are begun, waited for, and left behind, which their tests share."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xai_core.jobs import record
from xai_core.jobs.manage import Jobs
from xai_core.jobs.record import Standing, StoredJob, What
from xai_core.settings import Settings

WHAT = What("count", "Counting", {"to": 3, "seconds": 0.0, "then": ""}, {}, "2026-01-01T00:00:00+00:00")


def begin(jobs: Jobs, **arguments: Any) -> StoredJob:
    return jobs.start("count", {"to": 3, **arguments}, Settings())


def until(jobs: Jobs, name: str, true: Callable[[StoredJob], bool]) -> StoredJob:
    deadline = time.monotonic() + 120
    while not true(job := jobs.job(name)):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def ended(jobs: Jobs, name: str) -> StoredJob:
    return until(jobs, name, lambda job: not job.open)


def written(jobs: Jobs, name: str = "count-1", what: What | None = WHAT, standing: Standing | None = None) -> Path:
    """A job's folder as a process that is gone would have left it."""
    folder = jobs.study / "jobs" / name
    folder.mkdir(parents=True)
    if what:
        record.write_what(folder, what)
    if standing:
        record.write_standing(folder, standing)
    return folder
