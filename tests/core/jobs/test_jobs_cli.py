"""`xai jobs` and `--background`: the same job for the command, whoever began it."""

from __future__ import annotations

import os
import shlex
import threading
from pathlib import Path

import numpy as np
import pytest

from tests import tiny_study
from tests.core.jobs import fakes
from tests.core.jobs.cases import until
from tests.dashboard.fakes import add_run, make_study
from tests.tiny_study import fails, xai_json
from xai_core.cli.main import main
from xai_core.explainers import EXPLAINERS
from xai_core.jobs import process, record
from xai_core.jobs.manage import Jobs
from xai_core.jobs.operations import OPERATIONS
from xai_core.jobs.record import Standing
from xai_core.settings import Settings
from xai_core.store.study import Study
from xai_core.training.checkpoint import FILE as STATE

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Jobs whose processes are not begun: only noted as waiting, until somebody says how they ended."""
    monkeypatch.setitem(OPERATIONS, "count", fakes.COUNT)
    monkeypatch.setattr(process, "launch", lambda *_: None)
    study = make_study(tmp_path / "pets", samples=6)
    add_run(study, "net")
    return Jobs(study.path)


def test_long_commands_can_be_begun_as_jobs(begun: Jobs, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    study, run = str(begun.study), ["--run", "net", "--background"]
    explain = xai_json(
        capsys, "explain", study, *run, "--methods", "ig,gradcam", "--set", "ig.steps=9", "--cell", "cat:<b>dog</b>"
    )
    score = xai_json(capsys, "score", study, *run, "--methods", "gradcam", "--metrics", "sparseness")
    predict = xai_json(capsys, "predict", study, *run, "--splits", "test", "--device", "cpu")
    monkeypatch.chdir(begun.study.parent)
    words = ["--arch", "small_resnet", "--epochs", "2", "--init", "weights.pth", "--size", "32"]
    train = xai_json(capsys, "train", study, "--run", "new", "--background", *words)
    jobs = {job["id"]: job for job in xai_json(capsys, "jobs", study)["jobs"]}
    assert set(jobs) == {each["job"] for each in (explain, score, predict, train)}
    assert jobs[explain["job"]]["arguments"]["methods"] == [["ig", {"steps": "9"}], ["gradcam", {}]]
    assert jobs[explain["job"]]["arguments"]["cell"] == [0, 1]
    assert jobs[score["job"]]["arguments"]["metrics"] == [["sparseness", {}]]
    assert jobs[predict["job"]]["arguments"] == {"run": "net", "splits": ["test"], "limit": None}
    assert jobs[predict["job"]]["settings"]["device"] == "cpu"
    config = jobs[train["job"]]["arguments"]["config"]
    assert (config["epochs"], config["init"]) == (2, str(begun.study.parent / "weights.pth"))
    assert jobs[train["job"]]["arguments"]["size"] == 32
    assert shlex.split(train["follow"]) == ["xai", "jobs", study, "follow", train["job"]]


def test_a_mistake_is_told_at_once_and_not_in_the_background(begun: Jobs, capsys: Capture) -> None:
    words = ["--run", "net", "--background"]
    assert "no explainer of this name" in fails(capsys, "explain", begun.study, *words, "--methods", "gradcan")
    assert "no run of this name" in fails(capsys, "predict", begun.study, "--run", "nat", "--background")
    assert "exists already" in fails(capsys, "train", begun.study, *words, "--arch", "small_resnet")
    assert begun.all() == []


def test_an_action_and_a_job_go_together(begun: Jobs, capsys: Capture) -> None:
    assert "no job is named" in fails(capsys, "jobs", begun.study, "stop")
    assert "a list names no job" in fails(capsys, "jobs", begun.study, "list", "count-1")
    assert "invalid choice" in fails(capsys, "jobs", begun.study, "paint", "count-1")
    assert "--kill goes with stop" in fails(capsys, "jobs", begun.study, "show", "a", "--kill")
    assert "no job of this name: ../pets" in fails(capsys, "jobs", begun.study, "show", "../pets")
    assert "no study here" in fails(capsys, "jobs", begun.study.parent)
    assert main(["jobs", str(begun.study)]) == 0
    assert capsys.readouterr().out == "pets: no jobs\n"


def test_what_a_job_says_cannot_steer_the_terminal(begun: Jobs, capsys: Capture) -> None:
    job = begun.start("count", {"to": 3}, Settings())
    record.write_standing(job.folder, Standing("failed", error="bad \x1b[31mred\nline", total=3, unit="n\x1b"))
    (job.folder / "log.txt").write_bytes(b"one \x1b[31m\n\xff two\n")
    assert main(["jobs", str(begun.study), "show", job.id]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "bad \\x1b[31mred line" in shown
    assert "    one \\x1b[31m" in shown.splitlines()
    assert "failed" in shown


def test_following_ends_as_the_job_does(begun: Jobs, capsys: Capture) -> None:
    job = begun.start("count", {"to": 3}, Settings())
    for state, code, words in (
        ("done", 0, ""),
        ("stopped", 130, "stopped"),
        ("failed", 1, "this job failed: mend it. See"),
        ("running", 1, "this job died"),
    ):
        record.write_standing(job.folder, Standing(state, done=1, total=3, error="mend it" if code == 1 else None))
        assert main(["jobs", str(begun.study), "follow", job.id]) == code, state
        assert words in capsys.readouterr().err
    with process.taken(job.folder):
        asked = threading.Timer(0.5, os.kill, (os.getpid(), 15))
        asked.start()
        assert main(["jobs", str(begun.study), "follow", job.id]) == 1
    assert "no longer followed; the job goes on" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_study_is_trained_predicted_and_explained_in_the_background(tmp_path: Path, capsys: Capture) -> None:
    """Real processes; the training is killed once, the explaining is stopped once."""
    folder = tmp_path / "colours"
    tiny_study.xai("new", folder, "--dataset", "image-folder", "--data", tiny_study.write_pictures(tmp_path / "pics"))
    jobs = Jobs(folder)
    words = ["--arch", "small_resnet", "--epochs", "40", "--batch-size", "8", "--background"]
    train = xai_json(capsys, "train", folder, "--run", "quick", *words)["job"]
    state = folder / "training" / "quick" / STATE
    job = until(jobs, train, lambda job: not job.open or (state.exists() and job.process is not None))
    assert job.open, job
    jobs.stop(train, kill=True)
    assert state.exists(), "finished epochs are kept"
    jobs.resume(train)
    assert main(["jobs", str(folder), "follow", train]) == 0
    assert jobs.job(train).standing.attempt == 2
    predict = xai_json(capsys, "predict", folder, "--run", "quick", "--background")["job"]
    assert main(["jobs", str(folder), "follow", predict]) == 0
    assert jobs.job(predict).standing.result["new"] == len(Study.open(folder).samples)
    methods = ["--methods", "ig", "--set", "ig.steps=20", "--split", "train", "--background"]
    explain = xai_json(capsys, "explain", folder, "--run", "quick", *methods)["job"]
    until(jobs, explain, lambda job: job.done > 0)
    jobs.stop(explain)
    stopped = until(jobs, explain, lambda job: not job.open)
    if stopped.state == "stopped":  # a fast machine may be done
        xai_json(capsys, "jobs", folder, "resume", explain)
        assert main(["jobs", str(folder), "follow", explain]) == 0
    words = ["--methods", "gradcam", "--metrics", "sparseness", "--background"]
    score = xai_json(capsys, "score", folder, "--run", "quick", *words)["job"]
    assert main(["jobs", str(folder), "follow", score]) == 0
    assert list((folder / "runs" / "quick" / "scores").iterdir())
    run = Study.open(folder).run("quick")
    rows = run.study.rows("train")
    maps = run.maps("ig", EXPLAINERS["ig"].params(steps=20))
    assert maps is not None
    keys = [target.key for target in run.targets(rows, "predicted")]
    assert np.isin(maps.state(rows, keys), (1, 2)).all()
