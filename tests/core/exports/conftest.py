"""Studies whose models learned nothing: a classifier's, and a segmenter's; latencies of a few runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.exports.cases import square_input
from tests.core.segmentation_trees import write_coco
from tests.tiny_study import unlearned
from xai_core.models.build import fresh_module
from xai_core.models.weights import fingerprint, save_weights
from xai_core.pipeline import export_check
from xai_core.pipeline.make import make_study
from xai_core.store.run import RunInfo
from xai_core.store.study import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlearned(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Photos with a red or a green square, and a small U-net that learned nothing."""
    root = tmp_path_factory.mktemp("scenes")
    (root / "data").mkdir()
    write_coco(root / "data" / "instances_default.json", pictures=12)
    made = make_study(root / "study", root / "data")
    small, module = square_input(32), fresh_module("small_unet", 3, square_input(32))
    info = RunInfo("small_unet", small.as_dict(), "bottom", fingerprint(module, "small_unet", small))
    with made.new_run("unet", info) as run:
        save_weights(module, run.weights)
    return made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_check, "RUNS", 6)
