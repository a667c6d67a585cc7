"""The page Train in a study of segmentation: what it offers, what it starts, and the run that comes of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.core.segmentation_trees import write_coco
from tests.dashboard.pages import opened, words
from tests.dashboard.test_train import begin, choice, started  # noqa: F401  (a fixture, of this study)
from tests.tiny_study import xai
from xai_core.jobs.operations import TRAIN, Work
from xai_core.jobs.values import record
from xai_core.settings import Settings
from xai_core.store.journal import Entry
from xai_core.store.study import Study
from xai_core.store.versions import Version
from xai_core.types import CancelToken, silent


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("train-pixels")
    write_coco(root / "data" / "instances_default.json", pictures=24, folder="images")
    xai("new", root / "squares", "--data", root / "data")
    flags = ["--arch", "small_unet", "--epochs", "1", "--size", "32", "--predict"]
    xai("train", root / "squares", "--run", "unet", *flags)
    return root / "squares"


@pytest.mark.usefixtures("started")
def test_only_what_segmenters_are_trained_with_is_offered() -> None:
    app = opened("train", run="unet")
    assert "U-net" in " ".join(choice(app, "Architecture").options)
    assert "Small residual net" not in choice(app, "Architecture").options
    assert "Dice" in choice(app, "Loss").options
    assert not {"SO-Loss", "Balanced softmax"} & set(choice(app, "Loss").options)
    assert "Mixup" not in app.multiselect[0].options
    numbers = {box.label for box in app.number_input}
    assert "Tiles of" in numbers
    switches = {box.label for box in app.toggle}
    assert not {"Random labels", "Then check its heatmaps"} & switches
    assert "Or repair the last layer" not in words(app)


def test_a_version_of_the_annotation_is_asked_for_where_there_is_one(
    path: Path,
    started: list[tuple[str, dict[str, Any]]],  # noqa: F811
) -> None:
    app = opened("train", run="unet")
    assert "Annotation" not in {box.label for box in app.selectbox}
    study = Study.open(path)
    row = int(study.rows("train")[0])
    Version(study, "wider").record([Entry(row, "reject", "missing", "m0")], "Ada")
    app = opened("train", run="unet")
    assert choice(app, "Annotation").options == ["original: as the data has it", "wider"]
    assert "--annotations" not in words(app)
    choice(app, "Annotation").set_value("wider")
    app.run()
    assert "--annotations wider" in words(app)
    begin(app)
    assert started[-1][1]["config"]["annotations"] == "wider"
    shutil.rmtree(Version(study, "wider").path.parent)


def test_what_it_starts_is_trained_and_predicts(
    path: Path,
    started: list[tuple[str, dict[str, Any]]],  # noqa: F811
) -> None:
    app = opened("train", run="unet")
    choice(app, "Loss").set_value("dice_cross_entropy")
    next(box for box in app.number_input if box.label == "Tiles of").set_value(48)
    app.run()
    assert "--tiles-of 48" in words(app)
    begin(app)
    ((operation, arguments),) = started
    assert operation == "train"
    study = Study.open(path)
    wanted = record(TRAIN.params, arguments)
    TRAIN.check(study, wanted)
    TRAIN.run(study, wanted, Work(Settings(device="cpu"), silent, CancelToken()))
    run = study.run("unet-fix")
    assert run.info.training["loss"] == "dice_cross_entropy"
    assert run.info.preprocess is not None
    assert run.info.preprocess["fit"] == "tiles"
    assert run.has_predictions
    again = opened("train", run="unet-fix")
    assert "which varies unet" in words(again)
