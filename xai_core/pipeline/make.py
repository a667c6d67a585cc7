"""A folder or a table of pictures, looked through once and split, as a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xai_core.datasets import DATASETS, dataset_of
from xai_core.params import as_dict, build
from xai_core.store.files import check_new
from xai_core.store.study import Study
from xai_core.types import CancelToken, Progress, silent


def make_study(
    path: Path,
    data: Path,
    *,
    dataset: str = "",
    values: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Study:
    """Make a study of the data; it appears as a whole or not at all.

    Args:
        path: the study's folder, where nothing may be yet.
        data: the folder with the data, or the table.
        dataset: how it is read, by key; "" for the dataset that fits the data.
        values: the dataset's parameters that are not at their defaults.
        seed: of the splits that have to be made, and of everything that is drawn later.
        progress, cancel: of the reading.

    Raises:
        BadParameter: something is at `path` already, or a parameter does not fit.
        BadInput, NotFound: data that cannot be read.
        Cancelled: asked to stop; nothing is left behind.
    """
    check_new(path, "study")  # said before the long work; `create` checks again
    token, key = cancel or CancelToken(), dataset or dataset_of(data)
    member = DATASETS[key]
    params: Any = build(member.params, values or {})

    def look(done: int, total: int, what: str) -> None:
        progress(done, total, what)
        token.check()

    scan = member.make(data.resolve(), params).scan(seed, look)
    return Study.create(path, dataset=key, params=as_dict(params), data=data.resolve(), seed=seed, scan=scan)
