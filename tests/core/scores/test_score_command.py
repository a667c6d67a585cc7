"""What the command and the job of scores say, and what they leave when they are killed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.core.scores.cases import POINTING, SIDE, SPARSENESS, stored, summary
from tests.tiny_study import fails, xai, xai_json
from xai_core.answers.controls import control_keys
from xai_core.errors import XaiError
from xai_core.explainers import EXPLAINERS
from xai_core.jobs.operations import OPERATIONS, Work
from xai_core.jobs.values import record
from xai_core.metrics import METRICS
from xai_core.settings import Settings
from xai_core.store.maps import MISSING
from xai_core.store.run import Run


def test_the_command_prints_the_same_as_the_answer(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "score",
        run.study.path,
        "--run",
        "run",
        "--methods",
        "gradcam,lrp",
        "--metrics",
        f"{POINTING},{SPARSENESS}",
    )
    result = xai_json(capsys, *words)
    assert [(each["metric"], each["method"]) for each in result["scores"]] == [
        (metric, method) for metric in (POINTING, SPARSENESS) for method in ("gradcam", "lrp", *control_keys(run))
    ]
    assert [each["control"] for each in result["scores"][:6]] == [False, False, True, True, True, True]
    found, told = summary(run), result["scores"][0]
    assert (told["mean"], told["low"], told["high"], told["n"]) == (
        *(round(value, 6) for value in (found.mean, found.low, found.high)),
        8,
    )
    assert told["reasons"] == found.reasons
    capsys.readouterr()
    xai(*words)
    text = capsys.readouterr().out
    assert "Energy-based pointing game (share, 0…1; higher is better)" in text
    assert f"{found.mean:.3f}  {found.low:.3f} to {found.high:.3f}" in text
    assert "5 × no mask" in text
    assert "mask area" in text


def test_what_is_not_named_is_all_that_applies_and_200_samples(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from xai_core.answers import controls, quality_choice

    monkeypatch.setattr(controls, "usable_methods", lambda _run: ["gradcam", "lrp"])
    monkeypatch.setattr(controls, "control_keys", lambda _run: ["edges"])
    monkeypatch.setattr(quality_choice, "usable_metrics", lambda _run: [SPARSENESS])
    monkeypatch.setattr(quality_choice, "LIMIT", 6)
    words = ("score", run.study.path, "--run", "run")
    result = xai_json(capsys, *words)
    assert [each["method"] for each in result["scores"]] == ["gradcam", "lrp", "edges"]
    assert (result["samples"], result["of"]) == (6, 16)
    xai(*words)
    assert "heatmaps of 6 samples of 16, drawn by the study's seed" in capsys.readouterr().out
    assert xai_json(capsys, *words, "--limit", "20")["samples"] == 16


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--metrics", "sparsenes"], "Did you mean sparseness"),
        (["--metrics", "sparseness", "--methods", "gradcm"], "gradcam"),
        (["--metrics", "sparseness", "--set", "sparseness.side=-1"], "side is out of range"),
        (["--metrics", "sparseness", "--set", "energy-pointing-game.x=1"], "not asked for"),
        (["--metrics", "sparseness", "--cell", "a:c"], "no class of this name"),
        (["--metrics", ","], "nothing is named"),
    ],
)
def test_a_mistake_is_one_line(run: Run, capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    methods = [] if "--methods" in words else ["--methods", "gradcam"]
    assert told in fails(capsys, "score", run.study.path, "--run", "run", *methods, *words)
    assert not (run.path / "scores").exists()


def test_scoring_as_a_job_is_checked_at_once_and_does_the_same(run: Run) -> None:
    job = OPERATIONS["score"]
    words = {"run": "run", "methods": [["gradcam", {}]], "metrics": [[SPARSENESS, {"side": "0"}], [POINTING, {}]]}
    for wrong, told in (
        ({"metrics": []}, "no metric is named"),
        ({"metrics": [["sparsenes", {}]]}, "no metric of this name|Did you mean sparseness"),
        ({"metrics": [[SPARSENESS, {"sid": 1}]]}, "no parameter"),
        ({"methods": []}, "no method is named"),
    ):
        with pytest.raises(XaiError, match=told):
            job.check(run.study, record(job.params, words | wrong))
    arguments = record(job.params, words)
    job.check(run.study, arguments)
    seen: list[tuple[int, int]] = []
    work = Work(Settings(device="cpu"), lambda done, total, _: seen.append((done, total)))
    assert job.run(run.study, arguments, work) == {"samples": 16, "scores": 32, "left_out": 0, "such_as": {}}
    assert seen[0] == (0, 32)
    assert seen[-1] == (32, 32)
    assert summary(run).n == 8
    assert job.title(arguments) == f"Scores of run: {SPARSENESS}, {POINTING} of gradcam (test samples)"


def test_parameters_are_kept_apart(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("score", run.study.path, "--run", "run", "--methods", "gradcam", "--metrics", SPARSENESS)
    plain, coarse = xai_json(capsys, *words), xai_json(capsys, *words, "--set", "sparseness.side=2")
    assert plain["scores"][0]["mean"] > coarse["scores"][0]["mean"]
    assert len(list((run.path / "scores").glob("sparseness-*"))) == 2


def test_no_key_is_a_method_and_a_metric() -> None:
    """`--set KEY.NAME=VALUE` means one of them."""
    assert not set(METRICS.keys()) & set(EXPLAINERS.keys())


def test_a_killed_one_leaves_nothing_wrong_and_the_same_command_goes_on(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed without a word in the middle of its steps; afterwards all is as if nothing had happened."""
    words = ("score", str(run.study.path), "--run", "run", "--methods", "gradcam,lrp", "--metrics", SPARSENESS)
    code = f"""
import os, signal
from xai_core.cli.main import main
from xai_core.pipeline import score
score.MOST_PIXELS = {SIDE * SIDE * 5}
plain, calls = score.Pair.put, []
def put(pair, *given):
    calls.append(plain(pair, *given))
    if len(calls) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
score.Pair.put = put
main({list(words)!r})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (stored(run, SPARSENESS).state != MISSING).sum() == 10
    result = xai_json(capsys, *words)
    assert all(each["missing"] == 0 and each["n"] == 15 for each in result["scores"])
    shutil.rmtree(run.path / "scores")
    assert xai_json(capsys, *words)["scores"] == result["scores"]
