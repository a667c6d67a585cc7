"""Where a study's pictures lie: as the study says, or elsewhere, where they were moved to or another machine has them.

`use` says so for this process and all that it starts (the dashboard, its worker, jobs), which is why it stands in the
environment; `xai move` writes it into the study for good. Both look at a few pictures first: maps and predictions are
about these and no others.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_core.errors import BadInput, XaiError
from xai_core.files import read_plain
from xai_core.store import study_info

if TYPE_CHECKING:
    from xai_core.store.study import Study

VARIABLE = "XAI_DATA_FOLDERS"
"""JSON: the data folder of each study, by the study's folder, without links; both absolute."""
_LOOKED_AT, _LARGEST = 8, 2**30


def elsewhere(study: Path) -> Path | None:
    """Where the pictures of a study lie when it is not where the study says."""
    folder = _known().get(os.path.realpath(study))
    return Path(folder) if isinstance(folder, str) else None


def use(study: Study, data: Path) -> Study:
    """The study with its pictures in another folder, in this process and those it starts.

    Raises:
        BadInput: there are other pictures, or none.
    """
    folder = Path(os.path.abspath(data))
    _check(study, folder)
    os.environ[VARIABLE] = json.dumps(_known() | {os.path.realpath(study.path): str(folder)})
    return type(study).open(study.path)


def move(study: Study, data: Path, masks: Path | None = None) -> None:
    """Write into a study where its pictures lie now; `masks` is their folder, for a dataset that has such a parameter.

    Raises:
        BadInput: there are other pictures or none, or the study cannot be written.
        StorageFull: no room.
    """
    folder = Path(os.path.abspath(data))
    _check(study, folder)
    with study_info.changing(study.path) as values:
        values["dataset_params"] = rebased(values["dataset_params"], study.path / values["data"], folder)
        if masks is not None:
            values["dataset_params"] |= {"masks": os.path.abspath(masks)}
        values["data"] = stored(study.path, folder)


def is_of(study: Study, data: Path) -> bool:
    """Whether a study was made of this folder or table."""
    table = study.data / str(study.info.dataset_params.get("table", ""))
    return data.resolve() in (table.resolve(), study.data.resolve())


def stored(study: Path, data: Path) -> str:
    """The folder as a study keeps it: relative where it lies inside, so that it moves along."""
    absolute = Path(os.path.abspath(data))
    return absolute.relative_to(study).as_posix() if absolute.is_relative_to(study) else str(absolute)


def rebased(params: dict[str, Any], old: Path, new: Path) -> dict[str, Any]:
    """A dataset's parameters where paths into the old data folder lead into the new one."""
    below = {name: _below(value, old) for name, value in params.items()}
    return {name: value if below[name] is None else str(new / str(below[name])) for name, value in params.items()}


class MissingData(BadInput):
    """The data folder of a study is not there."""

    def __init__(self, study: Path, data: Path) -> None:
        remedy = f"Say where they are with --data FOLDER, or for good: xai move {study.name} --data FOLDER."
        super().__init__("the pictures of this study are not where they were", value=data, remedy=remedy)


def _below(value: object, folder: Path) -> Path | None:
    if not isinstance(value, str) or not os.path.isabs(value) or not Path(value).is_relative_to(folder):
        return None
    return Path(value).relative_to(folder)


def _known() -> dict[str, Any]:
    try:
        found = json.loads(os.environ.get(VARIABLE, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _check(study: Study, folder: Path) -> None:
    """Raise BadInput unless a few samples are there as they were when the study was made."""
    if not folder.is_dir():
        raise BadInput("no such data folder", value=folder, remedy="Check the path.")
    count = len(study.labels)
    rows = np.unique(np.linspace(0, count - 1, min(_LOOKED_AT, count)).astype(int)).tolist()
    dataset = study.dataset_in(folder)
    for sample in study.records(rows):
        try:
            same = _same(folder, sample) or (
                sample["index"] >= 0 and dataset.picture(sample).size == (sample["width"], sample["height"])
            )
        except (XaiError, OSError):
            same = False
        if not same:
            remedy = "Give the folder with the pictures that the study was made of, or make a new study of this one."
            raise BadInput("other pictures are in this folder", value=f"{folder}, {sample['path']}", remedy=remedy)


def _same(folder: Path, sample: dict[str, Any]) -> bool:
    """Whether a sample's file has the bytes that it had; of a file that holds many nothing is said."""
    if sample["index"] >= 0:
        return False
    return hashlib.sha256(read_plain(folder / sample["path"], _LARGEST)).hexdigest() == sample["sha256"]
