"""A study whose models learned nothing, and folders of the test's own for what the command keeps outside of studies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny_study import write_pictures, xai
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import fingerprint, save_weights
from xai_core.store.run import RunInfo
from xai_core.store.study import Study

SQUARE, CLASSES = Preprocess(32, 32, 3, (0.5,) * 3, (0.5,) * 3), ("dark blue", "green", "red")
DIGITS = "9" * 5000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with two runs whose models learned nothing."""
    folder = tmp_path_factory.mktemp("hostile")
    xai("new", folder / "colours", "--dataset", "image-folder", "--data", write_pictures(folder / "data", per_class=4))
    study, module = Study.open(folder / "colours"), fresh_module("small_cnn", 3, SQUARE)
    chances = np.full((len(study.labels), 3), 1 / 3, np.float32)
    chances[:, 1] += 0.001
    about = {"architecture": "small_cnn", "preprocess": SQUARE.as_dict(), "cam_layer": "features"}
    for name in ("baseline", "other"):
        with study.new_run(name, RunInfo(fingerprint=fingerprint(module, "small_cnn", SQUARE), **about)) as run:
            save_weights(module, run.weights)
            run.write_predictions(study.rows(), chances)
    return study.path


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "colours"))


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))


def raising(error: Exception) -> Any:
    """A function that only raises this."""

    def broken(*_: Any, **__: Any) -> Any:
        raise error

    return broken
