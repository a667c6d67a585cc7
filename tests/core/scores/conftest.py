"""A run whose maps are there and whose model is nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.scores.cases import INPUT, explained, predicted, written
from xai_core.answers.controls import control_keys
from xai_core.store.run import Run, RunInfo


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Predictions and maps of a model that is nowhere: whoever asks for it fails."""
    info = RunInfo(architecture="small_cnn", fingerprint="f" * 64, preprocess=INPUT.as_dict(), cam_layer="x")
    made = written(tmp_path).add_run("run", info)
    predicted(made)
    explained(made, "gradcam", 1)
    explained(made, "lrp", 2)
    for seed, control in enumerate(control_keys(made), start=3):
        explained(made, control, seed)
    return made
