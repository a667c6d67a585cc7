"""A study of twenty photos with a red or a green square, one with a crowd, for tests of the annotation's versions."""

from __future__ import annotations

from pathlib import Path

from tests.core.segmentation_trees import coco
from xai_core.pipeline.make import make_study
from xai_core.store.study import Study


def squares(root: Path) -> Study:
    """Written into `root`."""
    coco(root / "data")
    return make_study(root / "study", root / "data")
