"""Long work as folders: seen and steered by anybody, alive or not, and never mistaken for something else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.core.jobs.cases import begin, ended, until, written
from xai_core.errors import BadInput
from xai_core.jobs import process, record, run
from xai_core.jobs.manage import Jobs
from xai_core.jobs.record import Standing
from xai_core.settings import Settings


def test_a_job_runs_and_tells_what_came_of_it(jobs: Jobs) -> None:
    first = begin(jobs)
    assert first.open
    assert first.title == "Counting to 3"
    job = ended(jobs, first.id)
    assert (job.state, job.done, job.total, job.error) == ("done", 3, 3, None)
    assert job.standing.result == {"new": 3}
    assert "Counting to 3" in "\n".join(jobs.log(job.id))
    with pytest.raises(BadInput, match="this job is done"):
        jobs.resume(job.id)
    jobs.remove(job.id)
    assert jobs.all() == []
    assert os.listdir(jobs.study / "jobs") == []


def test_a_stopped_job_keeps_what_it_did_and_goes_on_from_there(jobs: Jobs) -> None:
    name = begin(jobs, to=40, seconds=0.1).id
    until(jobs, name, lambda job: job.done >= 2)
    with pytest.raises(BadInput, match="this job is running already"):
        jobs.remove(name)
    jobs.stop(name)
    job = ended(jobs, name)
    assert job.state == "stopped"
    assert 2 <= job.done < 40
    counted = len(os.listdir(jobs.study / "counted"))
    again = json.loads((job.folder / "job.json").read_text())
    again["arguments"]["seconds"] = 0.0  # quicker
    del again["checksum"]
    (job.folder / "job.json").write_text(json.dumps(again))
    jobs.resume(name)
    job = ended(jobs, name)
    assert (job.state, job.standing.attempt) == ("done", 2)
    assert job.standing.result == {"new": 40 - counted}


def test_jobs_that_want_the_machine_alone_wait_for_each_other_the_oldest_first(jobs: Jobs) -> None:
    first = jobs.start("alone", {"to": 500, "seconds": 0.05}, Settings())
    until(jobs, first.id, lambda job: job.done >= 1)
    begun = [jobs.start("alone", {"to": number}, Settings()) for number in (2, 3)]
    for number, job in enumerate(begun):  # begun in one second, else nobody could say which is older
        what = replace(record.read_what(job.folder), created=f"2026-01-01T00:00:0{number}+00:00")
        record.write_what(job.folder, what)
    for job in begun:
        until(jobs, job.id, lambda job: job.state == "waiting")
    other = begin(jobs)
    assert ended(jobs, other.id).state == "done", "others do not wait"
    jobs.stop(begun[1].id)
    assert ended(jobs, begun[1].id).state == "stopped"
    assert jobs.job(begun[0].id).state == "waiting"
    jobs.stop(first.id, kill=True)
    assert ended(jobs, begun[0].id).state == "done"
    jobs.resume(begun[1].id)
    assert ended(jobs, begun[1].id).state == "done"


@pytest.mark.slow
def test_a_killed_job_has_died_and_can_go_on(jobs: Jobs) -> None:
    name = begin(jobs, to=1000, seconds=0.05).id
    job = until(jobs, name, lambda job: job.done >= 1)
    assert job.process
    os.kill(job.process.pid, signal.SIGKILL)
    job = ended(jobs, name)
    assert job.state == "died"
    assert "ended without a word" in (job.error or "")
    with pytest.raises(BadInput, match=r"not running.* It is died"):
        jobs.stop(name)
    jobs.resume(name)
    until(jobs, name, lambda job: job.state == "running" and job.done >= 1)


def test_the_same_job_is_not_begun_twice(jobs: Jobs) -> None:
    name = begin(jobs, to=1000).id
    with pytest.raises(BadInput, match=f"running already: {name}.*follow"):
        begin(jobs, to=1000)
    with pytest.raises(BadInput, match=r"this job is (starting|running)"):
        jobs.resume(name)
    by_hand = subprocess.run([*process.COMMAND, str(jobs.job(name).folder)], capture_output=True, text=True)
    assert by_hand.returncode == 1
    assert "running already" in by_hand.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("then", "state", "words"),
    [
        ("refuse", "failed", "<b>no</b>: it. Mend it."),
        ("fault", "failed", "a fault of ours, not of yours: RuntimeError: a fault"),
        ("memory", "failed", "not enough memory"),
        ("crash", "died", "ended without a word"),
    ],
)
def test_an_end_is_told_in_one_line(jobs: Jobs, then: str, state: str, words: str) -> None:
    job = ended(jobs, begin(jobs, then=then).id)
    assert job.state == state
    assert words in (job.error or "")
    assert "\n" not in (job.error or "")
    log = "\n".join(jobs.log(job.id))
    assert {"fault": "Traceback", "crash": "Segmentation fault"}.get(then, "") in log


@pytest.mark.slow
def test_a_job_that_does_not_listen_ends_itself_and_its_children(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_TEST_GRACE", "0.2")
    names = [begin(jobs, then=then).id for then in ("deaf", "child")]
    for name in names:
        until(jobs, name, lambda job: job.done == 3)
        jobs.stop(name)
    assert [ended(jobs, name).state for name in names] == ["stopped", "stopped"]


@pytest.mark.slow
def test_what_is_killed_on_purpose_counts_as_stopped(jobs: Jobs) -> None:
    name = begin(jobs, then="child").id
    until(jobs, name, lambda job: job.done == 3)
    assert jobs.stop(name, kill=True).state == "stopped", "and nothing of it is left that holds the lock"


def test_a_number_that_was_given_again_is_never_killed(jobs: Jobs) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as other:
        standing = Standing("running", pid=other.pid, process="an earlier boot:12", host=process.this_process().host)
        folder = written(jobs, standing=standing)
        assert jobs.job("count-1").state == "died"
        with pytest.raises(BadInput, match="not running"):
            jobs.stop("count-1", kill=True)
        with process.taken(folder):  # even where somebody works on it
            assert jobs.job("count-1").open
            with pytest.raises(BadInput, match="is gone"):
                jobs.stop("count-1")
            record.write_standing(folder, replace(standing, host="elsewhere"))
            with pytest.raises(BadInput, match="another machine: elsewhere"):
                jobs.stop("count-1")
        assert other.poll() is None
        other.kill()


@pytest.mark.slow
def test_a_long_log_keeps_its_end(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    job = ended(jobs, begin(jobs, then="talk").id)
    assert job.state == "done"
    assert (job.folder / "log.txt").stat().st_size < 2 * run.LONGEST_LOG, "30 × 120 kB were written"
    assert "too much to keep" in (job.folder / "log.txt").read_text()
    assert sum(map(len, jobs.log(job.id, most=1000))) <= 1000


@pytest.mark.slow
def test_a_job_whose_study_is_gone_ends_and_writes_nowhere(jobs: Jobs, tmp_path: Path) -> None:
    name = begin(jobs, to=10_000).id
    job = until(jobs, name, lambda job: job.done >= 1)
    assert job.process
    moved = tmp_path / "moved"
    jobs.study.rename(moved)
    deadline = time.monotonic() + 30
    while process.held(moved / "jobs" / name):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not jobs.study.exists()
    assert Jobs(moved).job(name).state == "died"


_STARTER = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.conftest import ROOT
from tests.core.jobs import fakes
from xai_core.jobs import process
from xai_core.jobs.manage import Jobs
from xai_core.jobs.operations import OPERATIONS
from xai_core.settings import Settings
OPERATIONS["count"] = fakes.COUNT
process.COMMAND = [sys.executable, fakes.__file__]
print(Jobs(Path(sys.argv[1])).start("count", {{"to": 100_000}}, Settings()).id, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_job_outlives_whoever_began_it_killed_with_all_it_began(jobs: Jobs) -> None:
    """As a server that is restarted: another one sees the job, and stops it."""
    words = [sys.executable, "-c", _STARTER.format(root=str(ROOT)), str(jobs.study)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        assert server.stdout is not None
        name = server.stdout.readline().strip()
        os.killpg(server.pid, signal.SIGHUP)
        os.killpg(server.pid, signal.SIGKILL)
    until(jobs, name, lambda job: job.state == "running" and job.done >= 1)
    jobs.stop(name)
    assert ended(jobs, name).state == "stopped"


@pytest.mark.slow
def test_an_ended_job_is_no_zombie_of_whoever_began_it(jobs: Jobs) -> None:
    job = ended(jobs, begin(jobs).id)
    pid, deadline = job.standing.pid, time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
