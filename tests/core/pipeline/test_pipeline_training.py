"""Trainings over a study folder: stopped, twice at once, on a full disk; what they leave behind."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from tests.conftest import ROOT
from tests.core.pipeline.cases import CONFIG, CPU
from tests.tiny_study import xai
from xai_core.errors import BadInput, BadParameter, NotFound, StorageFull
from xai_core.models.weights import read_weights, save_weights
from xai_core.pipeline import train as training
from xai_core.pipeline.asked import Given
from xai_core.pipeline.load import load_classifier
from xai_core.pipeline.train import train_run
from xai_core.store.study import Study


def test_weights_of_another_model_are_refused(study: Study) -> None:
    xai("train", study.path, "--run", "other", "--arch", "small_resnet", "--epochs", "1", "--seed", "9")
    run = study.run("baseline")
    shutil.copyfile(study.run("other").weights, run.weights)
    with pytest.raises(BadInput, match="other weights"):
        load_classifier(run, device="cpu")


def test_a_trained_model_survives_a_disk_that_is_full_when_it_becomes_a_run(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    def save(module: nn.Module, path: Path) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            save_weights(module, path)

    with monkeypatch.context() as patch:
        patch.setattr(training, "save_weights", save)
        with pytest.raises(StorageFull):
            train_run(study, "new", CONFIG, CPU)
    assert study.runs() == ["baseline"]
    batches: list[int] = []

    def count(done: int, _: int, what: str) -> None:
        batches.extend([done] * (what == "batches"))

    run = train_run(study, "new", CONFIG, CPU, progress=count)
    assert batches == [], "its epochs were not kept"
    assert read_weights(run.weights)
    assert not (study.path / "training" / "new").exists()
    assert load_classifier(run, device="cpu").fingerprint == run.info.fingerprint


def test_a_training_folder_that_cannot_be_made_is_told(study: Study) -> None:
    shutil.rmtree(study.path / "training", ignore_errors=True)
    (study.path / "training").touch()
    with pytest.raises(BadInput, match="cannot be written"):
        train_run(study, "new", CONFIG, CPU)


HOLD = """
import sys, time
from pathlib import Path
from xai_core.pipeline.train import _alone
with _alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_training_of_one_name_is_refused_and_a_killed_one_blocks_none(study: Study) -> None:
    folder = study.path / "training" / "new"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match="another process is training this run: new"):
            train_run(study, "new", CONFIG, CPU)
        process.kill()
    assert train_run(study, "new", CONFIG, CPU).name == "new"
    assert not (study.path / "training").exists()


def test_a_training_that_cannot_begin_leaves_no_folder(study: Study) -> None:
    with pytest.raises(NotFound):
        train_run(study, "new", replace(CONFIG, init=str(study.path / "gone")), CPU)
    assert not (study.path / "training").exists()


@pytest.mark.parametrize(
    "given", [Given(mean=(0.5, 0.5)), Given(mean=(0.5,), std=(0.5,) * 3), Given(std=(0.0, 1.0, 1.0)), Given(size=0)]
)
def test_an_input_that_does_not_fit_is_told(study: Study, given: Given) -> None:
    with pytest.raises(BadParameter, match="do not fit"):
        train_run(study, "new", CONFIG, given)
