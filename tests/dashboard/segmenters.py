"""A study of segmentation with runs that are wrong in a known way; nothing is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.core.segmentation_trees import write_coco
from tests.dashboard.fakes import PREPROCESS
from xai_core.label_maps import sparse_confusion
from xai_core.pipeline.make import make_study
from xai_core.store.run import RunInfo
from xai_core.store.study import Study

WHOLE = PREPROCESS | {"fit": "squash"}


def squares(root: Path) -> Study:
    """A run that takes every green square for red, and a row of background for green; and one that said nothing."""
    write_coco(root / "data" / "instances_default.json", pictures=30, folder="images")
    made = make_study(root / "squares", root / "data")
    run = made.add_run("unet", RunInfo("small_unet", WHOLE, "last", "f" * 64))
    made.add_run("silent", RunInfo(architecture="small_unet", fingerprint="e" * 64))
    better = made.add_run("better", RunInfo(architecture="small_unet", fingerprint="d" * 64)).label_maps(create=True)
    store = run.label_maps(create=True)
    assert store is not None
    assert better is not None
    for row in range(len(made.labels)):
        truth = made.label_map(row)
        better.put([row], [truth], [sparse_confusion(truth, truth, 3)])
        said = np.where(truth == 2, 1, truth).astype(np.uint8)
        said[0, : row + 1] = 2
        store.put([row], [said], [sparse_confusion(truth, said, 3)])
    return made
