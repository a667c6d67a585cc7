"""The study's jobs on the pages: begun there, seen by every session, stopped and resumed, nothing they say trusted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.frame.context import Services
from dashboard.widgets import status
from dashboard.widgets.jobs import LISTED, listed
from tests.dashboard.pages import opened, words
from xai_core.jobs import process, record
from xai_core.jobs.manage import Jobs
from xai_core.jobs.record import Standing, StoredJob
from xai_core.settings import Settings

PREDICT = {"run": "untested"}


@pytest.fixture
def jobs(served: Services, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Of the served study; their processes are never begun, so they die at once unless `working` holds them."""
    monkeypatch.setattr(process, "launch", lambda *_: None)
    return Jobs(served.studies["pets"].path)


@pytest.fixture
def working() -> Iterator[Callable[[StoredJob], None]]:
    """What makes a job look as if its process worked on it."""
    with ExitStack() as held:

        def work(job: StoredJob) -> None:
            held.enter_context(process.taken(job.folder))
            now = Standing("running", done=30, total=120, unit="samples", seconds_left=45.0)
            record.write_standing(job.folder, now)

        yield work


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [button for button in app.button if button.label == label]
    button.click().run()
    assert not app.exception
    return app


def labels(app: AppTest) -> set[str]:
    return {button.label for button in app.button}


def test_a_run_without_predictions_offers_to_make_them(jobs: Jobs) -> None:
    app = opened("overview", run="untested")
    assert f"xai predict {jobs.study} --run untested" in words(app)
    press(app, "Predict in the background")
    (job,) = jobs.all()
    assert job.what
    assert (job.what.operation, job.what.arguments["run"]) == ("predict", "untested")
    assert "ended without a word" in words(app), "nobody began its process"


def test_what_runs_is_seen_by_every_session_and_not_begun_twice(
    jobs: Jobs, working: Callable[[StoredJob], None]
) -> None:
    job = jobs.start("predict", PREDICT, Settings())
    working(job)
    for page, query in (("overview", {"run": "untested"}), ("confusion", {"run": "net"})):
        app = opened(page, **query)
        assert "Jobs of this study" in words(app)
        assert "Predictions of untested" in words(app)
        assert "30 of 120 · 45 s left" in words(app)
        assert f"xai jobs {jobs.study} show {job.id}" in words(app)
        assert "Stop" in labels(app)
        assert "Predict in the background" not in labels(app)
    stopped: list[str] = []

    class Noted(Jobs):
        def stop(self, name: str, *, kill: bool = False) -> StoredJob:
            stopped.append(name)
            return self.job(name)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dashboard.app.Jobs", Noted)
        press(opened("overview"), "Stop")
    assert stopped == [job.id]


def test_an_ended_job_can_go_on_or_be_forgotten(jobs: Jobs) -> None:
    job = jobs.start("predict", PREDICT, Settings())
    record.write_standing(job.folder, Standing("failed", error="no room. Free some.", done=3, total=9))
    app = opened("overview")
    assert "no room. Free some." in words(app)
    assert "failed · 3 of 9" in words(app)
    press(app, "Resume")
    assert jobs.job(job.id).standing.attempt == 2
    press(app, "Remove")
    assert jobs.all() == []
    assert "Jobs of this study" not in words(app)


def test_somebody_was_faster(jobs: Jobs) -> None:
    job = jobs.start("predict", PREDICT, Settings())
    app = opened("overview")
    jobs.remove(job.id)
    press(app, "Resume")
    assert "no job of this name" in words(app)


def test_a_whole_split_or_a_cell_is_explained_in_the_background(jobs: Jobs) -> None:
    app = opened("confusion", run="net", true="0", predicted="1", methods="gradcam,ig", settings="ig.steps=9")
    assert "3 samples;" in words(app)
    press(app, "Explain all of them")
    line = f"xai explain {jobs.study} --run net --methods gradcam,ig --split test --true=cat '--predicted=<b>dog</b>'"
    assert f"{line} --target predicted --set ig.steps=9 --background" in words(app)
    app.radio(key="explain.more").set_value("split").run()
    press(app, "Explain all of them")
    found = [job.what.arguments for job in jobs.all() if job.what]
    assert sorted((str(each["cell"]), each["split"]) for each in found) == [("None", "test"), ("[0, 1]", "test")]
    assert [method[0] for method in found[0]["methods"]] == ["gradcam", "ig"]
    assert found[0]["methods"][1][1]["steps"] == 9


def test_what_cannot_begin_is_a_box(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(30, "Read-only file system")

    app = opened("overview", run="untested")
    monkeypatch.setattr(Path, "mkdir", refused)
    press(app, "Predict in the background")
    assert "Read-only file system" in words(app)


def test_what_a_job_says_is_shown_and_never_acted_on(jobs: Jobs) -> None:
    job = jobs.start("predict", PREDICT, Settings())
    assert job.what
    evil = "<img src=x onerror=alert(1)>\u202e"
    record.write_what(job.folder, replace(job.what, title=evil))
    record.write_standing(job.folder, Standing("failed", error=evil, unit=evil, total=-3, done=-7, seconds_left=-1e300))
    (job.folder / "log.txt").write_text(f"{evil}\n")
    (jobs.study / "jobs" / "half").mkdir()
    (jobs.study / "jobs" / "<b>").mkdir()
    app = opened("overview")
    html = "\n".join(str(element.proto.body) for element in app.get("html"))
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert "\u202e" not in words(app)
    assert "half" in html
    assert "damaged" in html


def test_only_what_may_need_somebody_is_listed(jobs: Jobs) -> None:
    job = jobs.start("predict", PREDICT, Settings())
    many = [replace(job, id=str(number), state="running") for number in range(9)]
    done, failed = replace(job, state="done"), [replace(one, state="failed") for one in many]
    assert len(listed([done, *failed, *many])) == 2 * LISTED
    assert listed([done]) == []


def test_jobs_that_are_not_listed_are_counted(jobs: Jobs) -> None:
    job = jobs.start("predict", PREDICT, Settings())
    record.write_standing(job.folder, Standing("stopped"))
    for number in range(LISTED + 1):
        shutil.copytree(job.folder, job.folder.with_name(f"predict-{number}"))
    app = opened("overview")
    assert words(app).count("Predictions of untested") == LISTED
    assert "and 2 more" in words(app)
    assert f"xai jobs {jobs.study}" in words(app).splitlines()


def test_a_job_that_is_resumed_in_a_quiet_study_is_followed(
    jobs: Jobs, working: Callable[[StoredJob], None], served: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reruns: list[bool] = []
    monkeypatch.setattr(status.st, "rerun", lambda: reruns.append(True))
    status._line(served.worker, jobs, (), frozenset())
    assert not reruns
    job = jobs.start("predict", PREDICT, Settings())
    working(job)
    status._line(served.worker, jobs, (), frozenset())
    assert reruns
    reruns.clear()
    status._line(served.worker, jobs, (), frozenset([job.id]))
    assert not reruns
