"""What a segmenter says of a picture from outside the study: regions of its own prediction, with nothing to compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from xai_core.label_maps import LabelMap
from xai_core.models.preprocess import Preprocess
from xai_core.pipeline.places import Places
from xai_core.pipeline.predict_work import label_map_of, on_picture
from xai_core.regions import nothing_there, region_mask
from xai_core.store.new_pictures import SaidRegions
from xai_core.types import Target


def regions_said(
    output: Tensor, preprocess: Preprocess, size: tuple[int, int], background: bool
) -> tuple[SaidRegions, LabelMap]:
    """What is said of all pixels of a picture, width × height, and of each.

    Args:
        output: as of `segmented`.
        preprocess: of the segmenter.
        size: of the picture.
        background: whether class 0 is what is no object.
    """
    width, height = size
    label_map = label_map_of(output, preprocess, height, width)
    values, top, left = on_picture(output, preprocess, height, width)
    chances = (values if preprocess.tiled else values.softmax(0)).max(0).values.cpu().numpy()
    said, classes = label_map[top : top + chances.shape[0], left : left + chances.shape[1]], len(output)
    pixels = np.bincount(said.ravel(), minlength=classes)
    sure = np.bincount(said.ravel(), weights=chances.ravel(), minlength=classes)
    known = np.divide(sure, pixels, out=np.full(classes, np.nan), where=pixels > 0)
    return SaidRegions(pixels / max(1, pixels.sum()), known, background), label_map


def said_at(label_maps: Sequence[LabelMap | None], targets: Sequence[Target], preprocess: Preprocess) -> Places:
    """Where each target is, of what is said; how it is annotated nobody knows."""
    there, lacking = dict[int, Any](), dict[int, str]()
    for at, (label_map, target) in enumerate(zip(label_maps, targets, strict=True)):
        assert label_map is not None, "of a segmenter"
        region = region_mask(target, label_map, label_map)
        if region.any():
            there[at] = preprocess.canvas.share(region)
        else:
            lacking[at] = nothing_there(target)
    return Places(there, lacking, {})
