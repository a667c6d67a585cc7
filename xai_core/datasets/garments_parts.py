"""The drawn garments as a task of segmentation: every pixel is the part of the person, clothes or place seen there."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import Scan, dataset
from xai_core.datasets.drawn_garments import DrawnGarments
from xai_core.demo.art.canvas import BACKGROUND
from xai_core.demo.art.parts import BODY, WITH
from xai_core.demo.drawing import VERSION, GarmentParams
from xai_core.label_maps import LabelMap, dominant, objects
from xai_core.task import SEGMENTATION
from xai_core.types import Card, Progress, silent

PARTS = (BACKGROUND, *(name for name in WITH if name != BACKGROUND), BODY)
"""The classes: all parts that are ever drawn."""

_INNERMOST_LAST = sorted(PARTS, key=lambda name: not WITH.get(name))
"""A part's mask holds what goes with it (`top` the sleeves), which is drawn over it."""


@dataset(
    Card(
        key="garments-parts",
        title="Drawn garments, by part",
        summary="The drawn people, every pixel the part that is seen there: background, hair, head, arms, legs, shoes, "
        "top, sleeves, print, bottom, belt, jacket or body. Exact, and drawn where missing.",
        blind_spot="Illustrations, not photographs: nothing measured on them says how a model does on real clothes.",
        version=VERSION,
    ),
    GarmentParams,
    task=SEGMENTATION,
)
class GarmentsParts(DrawnGarments):
    """The folder, parameters and pictures of `garments`, with label maps in place of classes.

    A pixel is the part's that covers most of it, of a belt or a print, too, and never the class of the garment: a
    dress is `top` and `bottom`.
    """

    def __init__(self, root: Path, params: GarmentParams) -> None:
        super().__init__(root, params)
        self._scanned: dict[str, bytes] = {}

    def scan(self, seed: int, progress: Progress = silent) -> Scan:
        """As of `garments`; each picture is drawn again for its label map. Raises as that, and as `label_map`."""
        found = super().scan(seed, progress)
        rows = found.samples.to_dict("records")
        labels, seen = list[int](), list[bool]()
        for done, row in enumerate(rows, 1):
            label_map = self.label_map({str(name): value for name, value in row.items()})
            self._scanned[str(row["path"])] = zlib.compress(label_map.tobytes())
            labels.append(dominant(label_map, background=True))
            seen.append(bool(objects(label_map, background=True).any()))
            progress(done, len(rows), "label maps")
        return replace(found, samples=found.samples.assign(label=labels, has_mask=seen), class_names=PARTS)

    def label_map(self, row: Mapping[str, Any]) -> LabelMap:
        """`(size, size)`: the index in PARTS of what is seen. Raises BadInput where the picture is not as drawn.

        What a scan has drawn is given out once, if the picture is still the same; later it is drawn again.
        """
        kept = self._scanned.pop(str(row["path"]), None)
        if kept and hashlib.sha256(self._content(row["path"])).hexdigest() == row["sha256"]:
            side = self._params.size
            return np.frombuffer(zlib.decompress(kept), np.uint8).reshape(side, side)
        drawn = self.as_drawn(row)
        found = np.zeros(drawn.mask.shape, np.uint8)
        for name in _INNERMOST_LAST:
            if name in drawn.parts:
                found[drawn.parts[name]] = PARTS.index(name)
        return found

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """All but the background. Raises as `label_map`."""
        found = objects(self.label_map(row), background=True)
        return found if found.any() else None

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """The file that holds the picture: of another one the parts are not known."""
        return [self._pictures.holder(str(row["path"]))]
