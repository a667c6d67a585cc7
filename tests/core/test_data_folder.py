"""Pictures that lie elsewhere: said once or for good, and only where they are the same pictures."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.core.jobs import fakes
from tests.tiny_study import fails, xai
from xai_core.errors import BadInput
from xai_core.jobs import process
from xai_core.jobs.manage import Jobs
from xai_core.jobs.operations import OPERATIONS
from xai_core.jobs.run import work
from xai_core.settings import Settings
from xai_core.store import data_folder
from xai_core.store.study import Study
from xai_core.types import CancelToken, silent


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv(data_folder.VARIABLE, "{}")
    for name in ("a", "b"):
        for number in range(8):
            (tmp_path / "old" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "old" / "masks" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (6, 5), (number * 9, ord(name), 0)).save(tmp_path / "old" / name / f"{number}.png")
            Image.new("L", (6, 5), 255).save(tmp_path / "old" / "masks" / name / f"{number}.png")
    folders = ["--data", tmp_path / "old", "--masks", tmp_path / "old" / "masks"]
    xai("new", tmp_path / "study", "--dataset", "image-folder", *folders)
    return Study.open(tmp_path / "study")


def moved(study: Study) -> Path:
    new = study.path.parent / "new"
    (study.path.parent / "old").rename(new)
    return new


def test_a_missing_folder_says_what_to_do(study: Study) -> None:
    moved(study)
    for ask in (lambda: study.picture(0), lambda: study.mask(0), lambda: Study.open(study.path).masks_digest):
        with pytest.raises(BadInput, match=r"not where they were: .*old\. .* xai move study --data FOLDER"):
            ask()


def test_elsewhere_for_this_time(study: Study) -> None:
    new, before = moved(study), (study.path / "study.json").read_bytes()
    found = data_folder.use(study, new)
    assert found.data == new
    assert found.picture(0).size == (6, 5)
    assert found.mask(0) is not None  # its folder lay inside the old one
    assert len(found.masks_digest) == 64
    assert Study.open(study.path).data == new  # so it is for processes that are started from here
    assert (study.path / "study.json").read_bytes() == before


def test_elsewhere_for_good(study: Study) -> None:
    new, digest = moved(study), study.info.samples_digest
    xai("move", study.path, "--data", new)
    found = Study.open(study.path)
    assert (found.info.data, found.info.samples_digest) == (str(new), digest)
    assert found.info.dataset_params["masks"] == str(new / "masks")
    assert found.picture(0).size == (6, 5)
    assert found.mask(0) is not None
    shutil.move(new, study.path / "pictures")
    xai("move", study.path, "--data", study.path / "pictures", "--masks", study.path / "pictures" / "masks")
    assert Study.open(study.path).info.data == "pictures"


def test_commands_take_it(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = moved(study)
    words = ["--arch", "small_cnn", "--epochs", "1", "--batch-size", "4", "--data", new]
    xai("train", study.path, "--run", "one", *words)
    xai("predict", study.path, "--run", "one")
    assert Study.open(study.path).run("one").predictions is not None
    os.environ[data_folder.VARIABLE] = "{}"
    (study.path / "runs" / "one" / "predictions.parquet").unlink()
    assert "xai move study --data FOLDER" in fails(capsys, "predict", study.path, "--run", "one")
    assert "one study" in fails(capsys, "serve", study.path, study.path, "--data", new)


@pytest.mark.parametrize("change", ["pixels", "missing", "no folder"])
def test_other_pictures_are_refused(study: Study, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    new, before = moved(study), (study.path / "study.json").read_bytes()
    for picture in new.rglob("*.png"):
        if change == "pixels":
            Image.new("RGB", (6, 5), (1, 2, 3)).save(picture)
        elif change == "missing":
            picture.unlink()
    new = new / "none" if change == "no folder" else new
    for words in (["move", study.path], ["compare", study.path, "--baseline", "a", "--candidate", "b"]):
        told = fails(capsys, *words, "--data", new)
        assert ("no such data folder" if change == "no folder" else "other pictures are in this folder") in told
    assert (study.path / "study.json").read_bytes() == before


def test_a_variable_that_holds_nonsense(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("{", "[]", json.dumps({str(study.path): 5})):
        monkeypatch.setenv(data_folder.VARIABLE, text)
        assert Study.open(study.path).data == study.path.parent / "old"


def test_a_job_keeps_it_for_whoever_resumes_it(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(looked_at: Study, *_: Any) -> dict[str, Any]:
        return {"data": str(looked_at.data), "size": looked_at.picture(0).size}

    monkeypatch.setitem(OPERATIONS, "count", replace(fakes.COUNT, run=look))
    monkeypatch.setattr(process, "launch", lambda *_: None)
    new, jobs = moved(study), Jobs(study.path)
    data_folder.use(study, new)
    job = jobs.start("count", {"to": 3}, Settings())
    os.environ[data_folder.VARIABLE] = "{}"  # another terminal
    assert work(job.folder, silent, CancelToken()) == {"data": str(new), "size": (6, 5)}
    other = new.rename(new.with_name("other"))
    with pytest.raises(BadInput, match="not where they were"):
        work(job.folder, silent, CancelToken())
    data_folder.use(study, other)  # who resumes it knows better
    assert work(job.folder, silent, CancelToken())["data"] == str(other)
