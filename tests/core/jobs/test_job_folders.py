"""Folders of jobs as others left them: half, linked from elsewhere, not to be written; and names that are no names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.core.jobs.cases import begin, written
from xai_core.errors import BadInput, NotFound, XaiError
from xai_core.jobs.manage import Jobs
from xai_core.jobs.record import Standing


@pytest.mark.parametrize(
    "name", ["..", "../pets", "/etc", "a/b", "", ".x", "nul", "x" * 300, "count-1\0", "count-1\n", "\u202e"]
)
def test_no_id_becomes_a_path(jobs: Jobs, name: str) -> None:
    written(jobs, standing=Standing("stopped"))
    for act in (jobs.job, jobs.log, jobs.stop, jobs.resume, jobs.remove):
        with pytest.raises(NotFound, match="no job of this name"):
            act(name)


def test_half_a_folder_is_told(jobs: Jobs) -> None:
    written(jobs, "count-1", what=None)
    written(jobs, "count-2", standing=None)
    (written(jobs, "count-3", standing=Standing("done")) / "progress.json").write_text('{"state": 3')
    (written(jobs, "count-4", standing=Standing("done")) / "job.json").write_text("[]")
    written(jobs, "count-5", standing=Standing("juggling"))
    (jobs.study / "jobs" / "count-6").write_text("no folder")
    found = jobs.all()
    assert [job.state for job in found] == ["damaged"] * 6
    assert all("\n" not in (job.error or "\n") for job in found)
    for job in found:
        with pytest.raises(XaiError):
            jobs.resume(job.id)
        jobs.remove(job.id)
    assert jobs.all() == []


def test_what_is_linked_from_elsewhere_is_neither_shown_nor_written(jobs: Jobs, tmp_path: Path) -> None:
    folder = written(jobs, standing=Standing("stopped"))
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "log.txt").symlink_to(secret)
    (folder.parent / "count-2").symlink_to(folder)
    assert {job.state for job in jobs.all()} == {"damaged"}
    assert jobs.log("count-1") == []
    for name in ("count-1", "count-2"):
        with pytest.raises(BadInput, match="damaged"):
            jobs.resume(name)
    jobs.remove("count-2")
    assert folder.is_dir()
    jobs.remove("count-1")
    assert secret.read_text() == "secret"


def test_a_pipe_is_not_waited_for(jobs: Jobs) -> None:
    folder = written(jobs, standing=Standing("stopped"))
    os.mkfifo(folder / "log.txt")
    assert jobs.job("count-1").state == "damaged"
    assert jobs.log("count-1") == []


def test_a_folder_that_cannot_be_written_is_told(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(BadInput, match=r"cannot be written: .*jobs \(Permission denied\)"):
        begin(jobs)
    assert jobs.all() == []


def test_no_study_no_jobs(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no study here"):
        Jobs(tmp_path)
