"""The demo rebuilt, stopped and kept: nothing of the user's is deleted, and nothing half is left."""

from __future__ import annotations

import contextlib
import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.core.hostile.conftest import raising
from tests.tiny_study import fails, xai, xai_json
from xai_core.cli.commands import demo
from xai_core.cli.main import CANCELLED, main
from xai_core.demo import bundle
from xai_core.demo.recipe import Recipe
from xai_core.store.study import Study
from xai_core.trust import folder_of
from xai_core.types import Cancelled, CancelToken, silent

Capture = pytest.CaptureFixture[str]


def _user_files(folder: Path) -> list[Path]:
    """Files of a person's own, in the folders that the demo's study might be thought to have."""
    files = [folder / name / "mine.txt" for name in ("garments", "garments.rebuilt", ".garments.rebuilt.pictures")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("mine")
    return files


@pytest.fixture
def _drawn_at_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(folder: Path, *_: Any) -> Study:
        shutil.copytree(made, folder)
        return Study.open(folder)

    monkeypatch.setattr("xai_core.demo.recipe.rebuild", drawn)
    monkeypatch.setattr("xai_core.demo.recipe.facts", lambda _: {})


@pytest.mark.usefixtures("_drawn_at_once")
def test_rebuilding_the_demo_deletes_nothing(tmp_path: Path, capsys: Capture) -> None:
    files = _user_files(tmp_path / "into")
    assert "something is here already" in fails(capsys, "demo", "--rebuild", "--into", tmp_path / "into")
    (tmp_path / "into" / "garments" / "mine.txt").rename(tmp_path / "into" / "mine.txt")
    (tmp_path / "into" / "garments").rmdir()
    result = xai_json(capsys, "demo", "--rebuild", "--into", tmp_path / "into")
    assert Study.open(Path(result["study"])).name == "garments"
    names = {"garments", "garments.rebuilt", ".garments.rebuilt.pictures", "mine.txt"}
    assert {path.name for path in (tmp_path / "into").iterdir()} == names
    assert all(file.read_text() == "mine" for file in files[1:])


@pytest.mark.usefixtures("_drawn_at_once")
def test_a_bundled_study_that_is_rebuilt_is_set_aside(
    made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Path(shutil.copytree(made, tmp_path / "assets" / "garments"))
    (study / "mine.txt").write_text("mine")
    monkeypatch.setattr(bundle, "ROOT", tmp_path)
    monkeypatch.setattr(bundle, "ASSETS", tmp_path / "assets")
    monkeypatch.setattr(bundle, "BUNDLE", study)
    former = xai_json(capsys, "demo", "--rebuild")["former"]
    assert (Path(former) / "mine.txt").read_text() == "mine"
    assert not (study / "mine.txt").exists()


def test_an_installed_demo_is_not_replaced(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "ASSETS", tmp_path / "xai_core" / "assets")
    assert "--into FOLDER" in fails(capsys, "demo", "--rebuild")


@pytest.mark.parametrize("stops_at", ["drawing", "training baseline"])
def test_a_rebuild_that_is_stopped_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops_at: str
) -> None:
    class Stop:
        def __enter__(self) -> Any:
            raise Cancelled

        def __exit__(self, *_: object) -> None: ...

    def watch(title: str, **_: Any) -> Any:
        return Stop() if title == stops_at else contextlib.nullcontext((silent, CancelToken()))

    monkeypatch.setattr(demo, "long_work", watch)
    few = Recipe(pictures={"train_per_class": 1, "validation_per_class": 1, "test_per_class": 1})
    monkeypatch.setattr("xai_core.demo.recipe.Recipe", lambda: few)
    assert main(["demo", "--rebuild", "--into", str(tmp_path / "into")]) == CANCELLED
    assert list((tmp_path / "into").iterdir()) == []


def test_a_cache_that_cannot_be_written(
    made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "BUNDLE", made)
    monkeypatch.setattr(demo, "serve", lambda studies, _: {"exit": len(studies)})
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "Set XDG_CACHE_HOME" in fails(capsys, "demo")

    def full(*_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        assert "no room left" in fails(capsys, "demo")
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file() or p.name.startswith(".")] == []
    xai("demo")


def test_no_home_folder_at_all(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", raising(RuntimeError("Could not determine home directory.")))
    assert "Set HOME or XDG_CACHE_HOME" in fails(capsys, "demo")
    assert folder_of(Path("/s"), "r", "m:f") is None
