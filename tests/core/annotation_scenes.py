"""A study of twenty photos with a red or a green square, one with a crowd, for tests of the annotation's versions; and
the same with a run whose predictions speak against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.core.segmentation_trees import coco
from xai_core.explainers import EXPLAINERS
from xai_core.label_maps import LabelMap, sparse_confusion
from xai_core.params import build
from xai_core.pipeline.make import make_study
from xai_core.store.proposals import StoredProposal, place_of
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.triage.proposals import proposals

METHOD = "hirescam"


def squares(root: Path) -> Study:
    """Written into `root`."""
    coco(root / "data")
    return make_study(root / "study", root / "data")


def said_of(truth: LabelMap) -> LabelMap:
    """The annotation, and red in the upper right corner, where there is nothing."""
    said = truth.copy()
    said[0:4, 18:23] = 1
    return said


def with_proposals(study: Study, name: str = "unet", *, proposals: bool = True) -> Run:
    """A run that predicts `said_of` every training picture, with the proposals that follow from it, or without any."""
    run = study.add_run(name, RunInfo(architecture="small_unet", fingerprint="f" * 64))
    label_maps = run.label_maps(create=True)
    assert label_maps is not None
    for row in study.rows("train").tolist():
        truth = study.label_map(row)
        said = said_of(truth)
        label_maps.put([row], [said], [sparse_confusion(truth, said, len(study.class_names))])
    if proposals:
        plant(run)
    return run


def plant(run: Run) -> None:
    """Store the proposals that follow from `said_of` every training picture."""
    params: Any = build(EXPLAINERS[METHOD].params, {})
    store = place_of(run, METHOD, params, create=True)
    assert store is not None
    for row in run.study.rows("train").tolist():
        truth = run.study.label_map(row)
        said = said_of(truth)
        plane = np.where(said == 1, 0.9 - row / 1000, 0.0).astype(np.float32)
        found = proposals(truth, said, {1: plane}, {1: plane}, background=True)
        store.put([row], [[StoredProposal.of(row, one) for one in found]])
