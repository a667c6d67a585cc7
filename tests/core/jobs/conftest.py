"""A small study whose jobs count."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.jobs import fakes
from tests.dashboard.fakes import make_study
from xai_core.jobs import process
from xai_core.jobs.manage import Jobs
from xai_core.jobs.operations import OPERATIONS


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """The jobs of a small study whose processes know how to count."""
    monkeypatch.setitem(OPERATIONS, "count", fakes.COUNT)
    monkeypatch.setitem(OPERATIONS, "alone", fakes.ALONE)
    monkeypatch.setattr(process, "COMMAND", [sys.executable, fakes.__file__])
    study = make_study(tmp_path / "pets", samples=6)
    jobs = Jobs(study.path)
    yield jobs
    for job in jobs.all():
        if job.open:
            jobs.stop(job.id, kill=True)
