"""A folder or a table of pictures, looked through once and split, as a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xai_core.datasets import DATASETS, dataset_of
from xai_core.datasets.base import HasLabelMaps, Scan
from xai_core.label_maps import LabelMap
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
    read = member.make(scan.data or data.resolve(), build(member.params, {**as_dict(params), **scan.params}))
    return Study.create(
        path,
        dataset=key,
        params=as_dict(params),
        data=data.resolve(),
        seed=seed,
        scan=scan,
        task=member.task,
        label_maps=_label_maps(read, scan, look) if isinstance(read, HasLabelMaps) else (),
    )


def _label_maps(dataset: HasLabelMaps, scan: Scan, look: Progress) -> Iterator[LabelMap]:
    """Of each sample, in order."""
    samples = scan.samples.to_dict("records")
    for done, sample in enumerate(samples, 1):
        yield dataset.label_map({str(name): value for name, value in sample.items()})
        look(done, len(samples), "label maps")
