"""Training from a version of the annotation: the training split alone, known again, never mixed up with another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.annotation_scenes import squares
from tests.tiny_study import xai
from xai_core.answers.segments_change import segments_change
from xai_core.cli.main import main
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.jobs.training import TrainArguments, check
from xai_core.models.preprocess import Preprocess
from xai_core.pipeline import pictures
from xai_core.pipeline.asked import Given
from xai_core.pipeline.train import train_run
from xai_core.store.journal import Entry
from xai_core.store.patches import Patch
from xai_core.store.study import Study
from xai_core.store.versions import Version, annotation_of
from xai_core.training.config import TrainConfig

CONFIG = TrainConfig(architecture="small_unet", epochs=1, augmentations={}, annotations="better")
QUICK = Given(size=32, device="cpu")
PREPROCESS = Preprocess(24, 20, 3, (0.0,) * 3, (1.0,) * 3)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A version `better`: the first training and the first validation picture are red all over."""
    made = squares(tmp_path)
    paint(made, "better", 1, ("train", "validation"))
    return made


def paint(study: Study, name: str, label: int, splits: tuple[str, ...] = ("train",)) -> None:
    rows = [int(study.rows(split)[0]) for split in splits]
    entries = [Entry(row, "edit", patch=Patch.painting(np.ones((20, 24), bool), label)) for row in rows]
    Version(study, name).record(entries, "Ada")


@pytest.mark.parametrize("on_disk", [False, True])
def test_training_reads_the_version_and_validation_the_original(
    study: Study, on_disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_disk:
        monkeypatch.setattr(pictures, "most_in_memory", lambda: 0)

    def read(version: str) -> Any:
        return pictures.training_data(study, PREPROCESS, annotations=version)

    original = read("")
    everything, chosen = (np.arange(len(study.rows(split))) for split in ("train", "validation"))
    for version, label in (("better", 1), ("original", None), ("better", 1)):  # in turn, from the same cache
        data = read(version)
        wanted = original.training.label_maps[everything].copy()
        if label is not None:
            wanted[0] = label
        np.testing.assert_array_equal(data.training.label_maps[everything], wanted)
        np.testing.assert_array_equal(data.validation.label_maps[chosen], original.validation.label_maps[chosen])
    assert read("better").training.digest() != original.training.digest() == read("original").training.digest()
    paint(study, "better", 2)
    assert (read("better").training.label_maps[np.array([0])] == 2).all()
    Version(study, "better").undo("Ada")
    assert (read("better").training.label_maps[np.array([0])] == 1).all()


def test_a_run_says_from_what_it_learned(study: Study) -> None:
    run = train_run(study, "fixed", CONFIG, QUICK)
    assert run.info.training["annotations"] == "better"
    assert annotation_of(run) == "the annotation better (1 change in 1 training picture)"
    assert train_run(study, "fixed", CONFIG, QUICK).name == "fixed"
    paint(study, "better", 2)
    with pytest.raises(BadInput, match="annotation better: 1 changes then, 2"):
        train_run(study, "fixed", CONFIG, QUICK)
    Version(study, "better").undo("Ada")
    train_run(study, "fixed", CONFIG, QUICK)
    with pytest.raises(BadInput, match="annotations"):
        train_run(study, "fixed", TrainConfig(architecture="small_unet", epochs=1, augmentations={}), QUICK)


def test_what_cannot_be_learned_from_is_told(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    for name, error in (("nobody", NotFound), ("../x", BadParameter)):
        config = TrainConfig(architecture="small_unet", epochs=1, annotations=name)
        with pytest.raises(error):
            train_run(study, "fixed", config, QUICK)
        with pytest.raises(error):
            check(study, TrainArguments("fixed", config.as_dict()))
    assert study.runs() == []
    with pytest.raises(BadParameter, match="only label maps have versions"):
        TrainConfig(annotations="better").check_task("classification")
    line = ["train", str(study.path), "--run", "a", "--arch", "small_unet", "--annotations", "bettr"]
    assert main(line) == 1
    assert "Did you mean better?" in capsys.readouterr().err


def test_the_command_and_the_comparison(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--arch", "small_unet", "--epochs", "1", "--size", "32", "--device", "cpu", "--predict")
    xai("train", study.path, "--run", "before", *line)
    xai("train", study.path, "--run", "after", "--parent", "before", "--annotations", "better", "--predict")
    xai("train", study.path, "--run", "wide", "--parent", "after", "--augment", "annotation_enlargement",
        "--set", "annotation_enlargement.categories=red", "--annotations", "original", "--predict")  # fmt: skip
    assert study.run("wide").info.training["annotations"] == ""
    capsys.readouterr()
    xai("compare", study.path, "--baseline", "before", "--candidate", "after", "--json")
    notes = json.loads(capsys.readouterr().out)["segments"]["notes"]
    told = "Before learned from the original annotation, after from the annotation better (1 change in 1 training"
    assert any(told in note for note in notes)
    same = segments_change(study.run("before"), study.run("wide"), "test").notes
    assert not any("learned from" in note for note in same)
