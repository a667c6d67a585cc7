"""Places that cannot be written, settings that cannot be, refusals and what comes next."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.core.hostile.conftest import CLASSES, DIGITS, SQUARE, raising
from tests.tiny_study import fails, xai, xai_json
from xai_core.errors import BadInput
from xai_core.explainers import EXPLAINERS
from xai_core.models.build import fresh_module
from xai_core.models.weights import save_weights
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("taken", "already"),
        ("taken/s", ""),
        ("file/s", "Not a directory"),
        ("n" * 230, "File name too long"),
        ("link", "already"),
    ],
)
def test_where_a_study_cannot_be_made_is_said_before_the_work(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, where: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    monkeypatch.setattr("xai_core.datasets.image_folder.ImageFolder.scan", raising(BadInput("looked", remedy=".")))
    line = fails(capsys, "new", where, "--dataset", "image-folder", "--data", "taken")
    assert (says or "looked") in line
    monkeypatch.setattr(os, "access", lambda *_: False)
    if not says:
        words = ["new", where, "--dataset", "image-folder", "--data", "taken"]
        assert "Permission denied" in fails(capsys, *words)


def test_a_run_of_own_code_that_cannot_be_remembered_is_not_there(
    study: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "net_of_mine.py").write_text(OWN_CODE)
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    save_weights(fresh_module("small_cnn", 3, SQUARE), tmp_path / "w.safetensors")
    words = ["import", study, "--run", "own", "--arch", "net_of_mine:net", "--weights", "w.safetensors", "--size", "32"]
    words += ["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5", "--classes", ",".join(CLASSES), "--cam-layer", "none"]
    assert "cannot be written" in fails(capsys, *words)
    assert Study.open(study).runs() == ["baseline", "other"]


OWN_CODE = """
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.architectures.base import ModelSpec

def net():
    return ARCHITECTURES["small_cnn"].build(ModelSpec(3, 3, 32))
"""


def test_refusals_are_given_with_their_reasons(study: Path, capsys: Capture) -> None:
    opened = Study.open(study)
    run, rows = opened.run("baseline"), opened.rows("test")
    for weights, refused in (("trained", len(rows)), ("randomised:0", 1)):
        maps = run.maps("edges", EXPLAINERS["edges"].params(), weights=weights, create=True)
        assert maps is not None
        drawn = np.ones((len(rows), 4, 4), np.float32)
        drawn[:refused] = np.nan
        reasons = ["it is zero"] * refused + [None] * (len(rows) - refused)
        maps.put(rows, ["1"] * len(rows), drawn, {}, reasons)
    words = ["aggregate", study, "--run", "baseline", "--method", "edges", "--cell", "red:green"]
    groups = xai_json(capsys, *words)["groups"]
    assert groups["confused"]["reasons"] == {"it is zero": len(rows) // 3}
    xai(*words)
    shown = capsys.readouterr().out
    assert f"no maps\n                      {len(rows) // 3} × it is zero" in shown
    assert "red, recognised     no samples" in shown


def test_what_comes_next_names_the_study_as_it_was_given(
    study: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.rename(tmp_path / "a study")
    monkeypatch.chdir(tmp_path)
    save_weights(fresh_module("small_cnn", 3, SQUARE), tmp_path / "w.safetensors")
    words = ["import", "a study", "--run", "it", "--arch", "small_cnn", "--weights", "w.safetensors", "--size", "32"]
    xai(*words, "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5", "--classes", ",".join(CLASSES))
    assert "Next: xai predict 'a study' --run it" in capsys.readouterr().out
    line = fails(capsys, "compare", "a study", "--baseline", "it", "--candidate", "other")
    assert "Run this first: xai predict 'a study' --run it." in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("threads = 'abc'", "threads has the wrong type (in xai.toml): abc"),
        ("threads = true", "Give a whole number"),
        ("address = ['a']", "Give text"),
        ("device = 'cuda:" + "9" * 500 + "'", "no such device (in xai.toml)"),
        ("port = " + "9" * 5000, "not TOML"),
        ("port = 99999999", "from 1 to 65535"),
        ("a = " + "[" * 5000, "not TOML"),
        ("# " + "x" * 200_000, "more than 100000 bytes"),
        ("threds = 1", "Did you mean threads?"),
    ],
)
def test_settings_that_cannot_be(
    made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xai.toml").write_text(text)
    assert says in fails(capsys, "serve", made)


@pytest.mark.parametrize("kind", ["fifo", "loop", "folder"])
def test_a_settings_file_that_is_none(
    made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "xai.toml"
    {"fifo": os.mkfifo, "loop": lambda p: p.symlink_to(p), "folder": os.mkdir}[kind](path)
    assert "the settings file cannot be read: xai.toml" in fails(capsys, "serve", made)


@pytest.mark.parametrize(("name", "value"), [("THREADS", "abc"), ("PORT", DIGITS), ("DEVICE", "tpu"), ("PORT", "")])
def test_an_environment_that_cannot_be(
    made: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"XAI_{name}", value)
    assert "(in the environment)" in fails(capsys, "serve", made)
