"""A segmenter's training and prediction killed in the middle end with what an unbroken one gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.core.segmentation_trees import write_coco
from tests.core.store_writers import ROOT
from xai_core.pipeline.asked import Given
from xai_core.pipeline.load import load_classifier
from xai_core.pipeline.make import make_study
from xai_core.pipeline.predict import predict
from xai_core.pipeline.train import train_run
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig

CONFIG = TrainConfig(architecture="small_unet", epochs=2, augmentations={"flip": {}})
QUICK = Given(size=32, device="cpu")
SPLITS = ["test", "validation", "train"]

KILLED = """
import os, signal, sys
from tests.core.test_segmenter_killed import CONFIG, QUICK, SPLITS, Study, load_classifier, predict, train_run
from xai_core.pipeline import predict as module

def kill(done, total, what):
    if what == sys.argv[2] and done >= total - 1:
        os.kill(os.getpid(), signal.SIGKILL)

study = Study.open(__import__("pathlib").Path(sys.argv[1]))
if sys.argv[2] == "batches":
    train_run(study, "killed", CONFIG, QUICK, progress=kill)
else:
    module.SAVE_SECONDS = 0.0  # each batch is kept at once
    run = study.run("killed")
    predict(run, load_classifier(run, device="cpu"), SPLITS, batch_size=4, progress=kill)
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    write_coco(tmp_path / "data" / "instances_default.json", pictures=24, folder="images")
    return make_study(tmp_path / "study", tmp_path / "data")


def kill_while(study: Study, what: str) -> None:
    command = [sys.executable, "-c", KILLED, str(study.path), what]
    assert subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}).returncode == -signal.SIGKILL


def label_maps(run: Run) -> list[np.ndarray]:
    store = run.label_maps()
    assert store is not None
    found = [store.get(row) for row in range(len(run.study.labels))]
    return [each.label_map for each in found if each is not None]


def test_killed_twice_it_ends_with_the_weights_and_label_maps_of_an_unbroken_one(study: Study) -> None:
    whole = train_run(study, "whole", CONFIG, QUICK)
    predict(whole, load_classifier(whole, device="cpu"), SPLITS)
    kill_while(study, "batches")
    assert "killed" not in study.runs()
    again = train_run(study, "killed", CONFIG, QUICK)
    assert again.info.fingerprint == whole.info.fingerprint
    kill_while(study, "samples")
    some = len(label_maps(again))
    assert 0 < some < len(study.labels)
    found = predict(again, load_classifier(again, device="cpu"), SPLITS)
    assert found.new == len(study.labels) - some
    for one, other in zip(label_maps(whole), label_maps(again), strict=True):
        np.testing.assert_array_equal(one, other)
