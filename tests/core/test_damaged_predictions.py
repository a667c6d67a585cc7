"""Stored predictions of one run are damaged: no command fails but those about it, and these in one line."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from tests.tiny_study import fails, make, xai, xai_json
from xai_core.store.readable import newest_run, readable_runs
from xai_core.store.study import Study

QUESTIONS = ("overview", "confusion", "cell", "sample")
OLD, BROKEN = "old", "broken"


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    start = len(content) // 3
    return content[:start] + bytes(byte ^ 0xFF for byte in content[start : start + 8]) + content[start + 8 :]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("whole"), (OLD, BROKEN)).path


@pytest.fixture(params=[truncated, flipped], ids=lambda how: how.__name__)
def study(request: pytest.FixtureRequest, whole: Path, tmp_path: Path) -> Path:
    """Its newest run is damaged."""
    copied = Path(shutil.copytree(whole, tmp_path / "colours"))
    shutil.copytree(whole.parent / "pictures", tmp_path / "pictures")
    file = copied / "runs" / BROKEN / "predictions.parquet"
    file.write_bytes(request.param(file.read_bytes()))
    return copied


def words(question: str) -> list[str]:
    return [question, *{"cell": ["--cell", "0:1"], "sample": ["--sample", "0"]}.get(question, [])]


def test_others_can_be_read(study: Path) -> None:
    known = readable_runs(Study.open(study))
    assert [run.name for run in known.runs] == [OLD]
    assert list(known.damaged) == [BROKEN]
    newest, damaged = newest_run(Study.open(study))
    assert newest is not None
    assert newest.name == OLD
    assert len(damaged) == 1


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_of_another_run(study: Path, question: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = xai_json(capsys, "show", study, *words(question))
    assert OLD in str(found)
    line = fails(capsys, "show", study, *words(question), "--run", BROKEN)
    assert f"the predictions of {BROKEN} are damaged" in line


def test_what_is_told_helps(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problems = xai_json(capsys, "show", study, "overview")["runs"]["problems"]
    line = fails(capsys, "compare", study, "--baseline", OLD, "--candidate", BROKEN)
    assert problems == [line.removeprefix("xai: ")]
    (study / "runs" / BROKEN / "predictions.parquet").unlink()
    command = line.rpartition("delete it and run: ")[2].rstrip(".")
    xai(*shlex.split(command)[1:])
    assert not readable_runs(Study.open(study)).damaged
    xai("compare", study, "--baseline", OLD, "--candidate", BROKEN)


def test_a_study_of_damage_alone_says_so(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(study / "runs" / OLD)
    assert f"the predictions of {BROKEN} are damaged" in fails(capsys, "show", study, "confusion")
    assert xai_json(capsys, "show", study, "overview")["runs"]["problems"]
