"""The annotation of a study of segmentation: a label map of every sample, read from the data once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from xai_core.errors import BadInput, NotApplicable
from xai_core.files import damaged
from xai_core.label_maps import IGNORE, ORIGINAL, LabelMap
from xai_core.store.files import Signature
from xai_core.store.label_maps import LabelMapStore
from xai_core.store.study_info import StudyInfo
from xai_core.task import SEGMENTATION

FOLDER = "label_maps"
_AT_ONCE = 32
"""Label maps that are in memory together."""


def write(folder: Path, label_maps: Iterable[LabelMap], samples: pa.Table, info: StudyInfo) -> None:
    """Of each sample, in order. Raises BadInput for one that does not fit its picture or names no class."""
    store = LabelMapStore.at(folder / FOLDER / ORIGINAL, _identity(info), create=True)
    assert store is not None
    sizes = list(zip(samples["height"].to_pylist(), samples["width"].to_pylist(), strict=True))
    ids, row, source = samples["id"].to_pylist(), 0, iter(label_maps)
    while some := list(islice(source, _AT_ONCE)):
        rows = np.arange(row, row + len(some))
        for at, label_map in zip(rows.tolist(), some, strict=True):
            _check(label_map, sizes[at], len(info.class_names), ids[at])
        store.put(rows, some)
        row += len(some)
    if row != len(ids):
        remedy = "The dataset must give one for each sample."
        raise BadInput("label maps of another number than the samples", value=f"{row} and {len(ids)}", remedy=remedy)


def read(study: Path, info: StudyInfo, row: int) -> LabelMap:
    """Of a sample. Raises NotApplicable where the study is not of segmentation, BadInput where it is damaged."""
    found = _store(study, info).get(row)
    if found is None:
        raise damaged(study / FOLDER / ORIGINAL, f"the label map of row {row} is gone")
    return found.label_map


def digest(study: Path, info: StudyInfo) -> str:
    """What tells this annotation from another. Raises as `read`."""
    store = _store(study, info)
    return _digest(store.path, store.signature)


@lru_cache(maxsize=64)
def _digest(store: Path, _: Signature | None) -> str:
    """Computed once for each state of the file: pages ask with every picture."""
    return LabelMapStore(store).digest()


def need(study: Path, info: StudyInfo) -> None:
    """Raise NotApplicable where the study is not of segmentation."""
    if info.task != SEGMENTATION:
        remedy = "Take a study of segmentation."
        raise NotApplicable("only pictures with label maps say what each pixel is", value=study.name, remedy=remedy)


def _store(study: Path, info: StudyInfo) -> LabelMapStore:
    need(study, info)
    store = LabelMapStore.at(study / FOLDER / ORIGINAL, _identity(info), create=False)
    if store is None:
        raise damaged(study / FOLDER / ORIGINAL, "it is gone")
    return store


def _identity(info: StudyInfo) -> dict[str, Any]:
    return {"samples": info.samples_digest, "classes": list(info.class_names), "version": ORIGINAL}


def _check(label_map: LabelMap, size: tuple[int, int], classes: int, sample: str) -> None:
    remedy = "Correct the annotation, or leave the picture out."
    if label_map.shape != size:
        value = f"{sample}: {label_map.shape[1]}×{label_map.shape[0]}, not {size[1]}×{size[0]}"
        raise BadInput("a label map of another size than its picture", value=value, remedy=remedy)
    named = label_map[label_map != IGNORE]
    if named.size and named.max() >= classes:
        raise BadInput("a label map with a class that has no name", value=f"{sample}: {named.max()}", remedy=remedy)
