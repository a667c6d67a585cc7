"""A study on disk: one data set, split and numbered once, and any number of runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from xai_core.datasets.base import DATASETS, Dataset, HasParts, Parts, Scan
from xai_core.errors import BadInput, BadParameter, NotFound, XaiError
from xai_core.files import damaged
from xai_core.label_maps import LabelMap, has_background, objects
from xai_core.params import build, digest
from xai_core.store import annotated, data_folder, facts, files, samples, study_info, subgroups, twins
from xai_core.store.annotations import Annotations
from xai_core.store.identity import background_rows
from xai_core.store.masks import MaskDigest, stamp
from xai_core.store.run import INFO_FILE, Run, RunInfo
from xai_core.store.study_info import SCHEMA, STUDY_FILE, StudyInfo
from xai_core.task import CLASSIFICATION, SEGMENTATION, Task, TaskKey
from xai_core.task import task as task_of
from xai_core.types import SPLITS, CancelToken, Progress, silent

if TYPE_CHECKING:
    from PIL import Image

_SAMPLES, _RUNS = "samples.parquet", "runs"


class Study:
    """A study folder. Safe to share between threads. Made by `create` and `open`.

    Attributes:
        path: the folder; `name` is its last part.
        info: what `study.json` holds.
    """

    def __init__(self, path: Path, info: StudyInfo, table: pa.Table) -> None:
        self.path, self.info = path, info
        self.name, self._table = path.name, table
        self._samples: pd.DataFrame = table.to_pandas(use_threads=False)
        self._labels: NDArray[np.int64] = self._samples["label"].to_numpy(np.int64)
        self._labels.setflags(write=False)
        self._backgrounds: dict[int, tuple[NDArray[np.int64], str]] = {}
        self._grouping = files.Cached(path / subgroups.TABLE, self._read_grouping)

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        dataset: str,
        params: Mapping[str, Any],
        data: Path,
        seed: int,
        scan: Scan,
        task: TaskKey = CLASSIFICATION,
        label_maps: Iterable[LabelMap] = (),
    ) -> Study:
        """Write a new study; it appears as a whole or not at all.

        Args:
            label_maps: of segmentation, one for each sample, in order.

        Raises:
            BadParameter: something is there already.
            BadInput: the scan's table breaks its contract, or a label map cannot be read or does not fit its picture.
            StorageFull: no room; nothing is left behind.
        """
        path = Path(os.path.abspath(path))
        table = samples.from_scan(scan)
        info = StudyInfo(
            schema=SCHEMA,
            task=task,
            dataset=dataset,
            dataset_params={**params, **scan.params},
            data=data_folder.stored(path, scan.data or data),
            class_names=tuple(scan.class_names),
            seed=int(seed),
            created=files.now(),
            samples_digest=samples.content_digest(table),
            unreadable=scan.unreadable,
            notes=scan.notes,
            class_ids=tuple(scan.class_ids),
        )
        with files.new_folder(path, "study") as folder:
            (folder / _RUNS).mkdir()
            files.write_table(folder / _SAMPLES, table, {samples.DIGEST: info.samples_digest})
            if scan.facts is not None:
                facts.write(folder, scan.facts, info.samples_digest, len(table))
            if scan.near is not None:
                twins.write(folder, scan.near, info.samples_digest)
            if task == SEGMENTATION:
                annotated.write(folder, label_maps, table, info)
            study_info.write(folder, info)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Study:
        """The study in a folder.

        Raises:
            NotFound: there is no study.
            NewerSchema: a newer version of the project wrote it.
            BadInput: one of its files is damaged.
        """
        path = Path(os.path.abspath(path))
        if not os.path.lexists(path / STUDY_FILE):
            raise NotFound(
                "no study here", value=path, remedy="Make one with: xai new STUDY --dataset KEY --data PATH."
            )
        info = study_info.read(path)
        table = files.read_table(path / _SAMPLES, samples.SAMPLE_SCHEMA)
        problem = samples.broken(table, len(info.class_names))
        if not problem and not samples.is_of(table, info.samples_digest):
            problem = f"it is another table than the one that {STUDY_FILE} is about"
        if problem:
            raise damaged(path / _SAMPLES, problem)
        return cls(path, info, table.replace_schema_metadata(None))

    @property
    def task(self) -> Task:
        """What the study's models do."""
        return task_of(self.info.task)

    def bring_up(self) -> None:
        """Before anything is written: a study of an earlier version becomes one of this. Raises as writing does."""
        study_info.bring_up(self.path)

    @property
    def samples(self) -> pd.DataFrame:
        """SAMPLE_COLUMNS; a sample's position is its row number everywhere. Changing it changes nothing here."""
        return self._samples.copy(deep=False)

    @property
    def labels(self) -> NDArray[np.int64]:
        """`(n,)` class indices, read-only."""
        return self._labels

    @property
    def class_names(self) -> tuple[str, ...]:
        """K names."""
        return self.info.class_names

    @property
    def class_ids(self) -> tuple[str, ...]:
        """K ids by which the data knows its classes; the names where it has no others."""
        return self.info.class_ids or self.info.class_names

    def ids(self, rows: NDArray[np.int64]) -> pa.Array:
        """The ids of these rows, as Arrow has them: ten times as fast as a data frame."""
        return self._ids if self._are_all(rows) else self._ids.take(pa.array(rows))

    @cached_property
    def _ids(self) -> pa.Array:
        return self._table["id"].combine_chunks()

    def _are_all(self, rows: NDArray[np.int64]) -> bool:
        return len(rows) == len(self._labels) and bool((rows == np.arange(len(rows))).all())

    def rows(self, split: str | None = None) -> NDArray[np.int64]:
        """Row numbers of a split, ascending, read-only; of all samples for None.

        Raises:
            NotFound: a split that is not one of SPLITS.
        """
        if split is not None and split not in SPLITS:
            raise NotFound.among("split", split, SPLITS)
        return self._rows[split]

    @cached_property
    def _rows(self) -> dict[str | None, NDArray[np.int64]]:
        names = self._samples["split"].to_numpy()
        found: dict[str | None, NDArray[np.int64]] = {name: np.flatnonzero(names == name) for name in SPLITS}
        found[None] = np.arange(len(names))
        for rows in found.values():
            rows.setflags(write=False)
        return found

    @cached_property
    def _dataset(self) -> Dataset:
        return self.dataset_in(self.data)

    def dataset_in(self, folder: Path) -> Dataset:
        """The dataset with its pictures in this folder. Raises NotFound where its key is unknown here."""
        member = DATASETS[self.info.dataset]
        params = data_folder.rebased(self.info.dataset_params, self.path / self.info.data, folder)
        return member.make(folder, build(member.params, params))

    @property
    def data(self) -> Path:
        """The data folder: where the study says, or elsewhere: see `data_folder`."""
        return data_folder.elsewhere(self.path) or self.path / self.info.data

    @contextmanager
    def _pictures_there(self) -> Iterator[None]:
        """What a dataset says of a file is beside the point where the whole folder is gone."""
        try:
            yield
        except (BadInput, BadParameter) as error:
            if self.data.exists():
                raise
            raise data_folder.MissingData(self.path, self.data) from error

    def dataset(self) -> Dataset:
        """The dataset that reads the pictures. Raises NotFound where its key is unknown here."""
        return self._dataset

    def picture(self, row: int) -> Image.Image:
        """A sample's picture, upright. Raises BadInput when its file is gone, BadParameter for an unknown row."""
        return next(self.pictures([row]))

    def pictures(self, rows: Sequence[int]) -> Iterator[Image.Image]:
        """The pictures of several samples, one after the other."""
        return map(self._picture, self.records(rows))  # a map goes on after a picture that failed

    def _picture(self, sample: Mapping[str, Any]) -> Image.Image:
        with self._pictures_there():
            return self._dataset.picture(sample)

    def label_map(self, row: int) -> LabelMap:
        """Of segmentation, the class of each pixel of a sample, `(height, width)` uint8, 255 to ignore.

        Raises:
            NotApplicable: the study is not of segmentation.
            BadInput: it is gone or damaged; BadParameter for an unknown row.
        """
        self.records([row])
        return annotated.read(self.path, self.info, row)

    @property
    def has_background(self) -> bool:
        """Of segmentation, whether class 0 is what is no object."""
        return has_background(self.class_names)

    def mask(self, row: int) -> NDArray[np.bool_] | None:
        """A sample's object mask `(height, width)`, or None where it has none."""
        (sample,) = self.records([row])
        if self.info.task == SEGMENTATION:
            return objects(self.label_map(row), self.has_background) if sample["has_mask"] else None
        with self._pictures_there():
            return self._dataset.mask(sample) if sample["has_mask"] else None

    @property
    def has_parts(self) -> bool:
        """Whether a sample can be shown again without a part of it; not where nobody here knows the dataset."""
        with suppress(XaiError):
            return isinstance(self._dataset, HasParts)
        return False

    def parts(self, row: int) -> Parts | None:
        """A sample's parts and the pictures without each, or None where the data has none. Raises BadInput."""
        (sample,) = self.records([row])
        with self._pictures_there():
            return self._dataset.parts(sample) if isinstance(self._dataset, HasParts) else None

    def mask_stamp(self, row: int) -> str:
        """What tells, without opening it, whether a sample's mask is as it was; "" where nothing does."""
        (sample,) = self.records([row])
        with self._pictures_there():
            return stamp(self._dataset, sample)

    def background(self, count: int) -> NDArray[np.int64]:
        """`(≤ count,)` rows of the training split (of all samples where there is none), ascending, classes in turn."""
        return self._background(count)[0]

    def background_digest(self, count: int) -> str:
        """What tells one background from another: of its samples' ids."""
        return self._background(count)[1]

    def _background(self, count: int) -> tuple[NDArray[np.int64], str]:
        """Kept: to find them takes a look at every training sample, and pages ask at every click."""
        if count not in self._backgrounds:
            rows = self.rows("train")
            found = background_rows(rows if len(rows) else self.rows(), self._labels, count, self.info.seed)
            self._backgrounds[count] = found, digest(self._samples["id"].iloc[found].tolist())
        return self._backgrounds[count]

    @property
    def masks_digest(self) -> str:
        """sha256 over the pixels of all masks, "" where no sample has one: part of what depends on a mask.

        Of many masks the first call takes minutes, later ones and later processes milliseconds: see `digest_masks`.
        """
        return self.digest_masks()

    def digest_masks(self, progress: Progress = silent, cancel: CancelToken | None = None) -> str:
        """`masks_digest`, by somebody who waits for it; what is finished is kept when it is cancelled."""
        if self.info.task == SEGMENTATION:
            return annotated.digest(self.path, self.info)
        with self._pictures_there():
            return self._masks.get(progress, cancel)

    @cached_property
    def _masks(self) -> MaskDigest:
        rows = np.flatnonzero(self._table["has_mask"].to_numpy())
        return MaskDigest(self.path, rows, self.records, self.dataset)

    def records(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The lines of the sample table at these rows. Raises BadParameter for a row that does not exist."""
        for row in rows:
            if not 0 <= row < len(self._labels):
                raise BadParameter("no such row", value=row, remedy=f"Give a row from 0 to {len(self._labels) - 1}.")
        return self._table.take(np.asarray(rows, dtype=np.int64)).to_pylist()  # a data frame takes far longer

    @cached_property
    def facts(self) -> facts.Facts:
        """What is known of the samples beside their labels. Raises BadInput where the file is damaged."""
        return facts.read(self.path, self.info.samples_digest, len(self._labels))

    @property
    def grouping(self) -> subgroups.Grouping | None:
        """By what samples are grouped beside their classes; None where nobody said. Raises BadInput where damaged."""
        kept = self._grouping.get()
        if kept is not None and kept.by.startswith(subgroups.TAG):
            return subgroups.tagged(self.path, kept.by.removeprefix(subgroups.TAG), len(self._labels))
        return kept

    def _read_grouping(self, path: Path) -> subgroups.Grouping:
        return subgroups.read(path, self.info.samples_digest, len(self._labels))

    def group_by(self, grouping: subgroups.Grouping | None) -> None:
        """Remember it, or forget what there was. Raises StorageFull, and BadInput where the study cannot be written."""
        subgroups.remember(self.path, grouping, self.info.samples_digest)

    @property
    def annotations(self) -> Annotations:
        """What people wrote about samples."""
        return Annotations(self.path)

    def duplicates(self) -> pd.DataFrame:
        """Groups of identical samples that lie in more than one split: `sha256`, `rows` (list), `splits` (tuple)."""
        return twins.identical(self._samples)

    def near_twins(self) -> NDArray[np.int64] | None:
        """`(m, 3)` pairs of rows of different splits that look nearly the same and are not identical, and the distance
        of their hashes: for each sample its nearest. None where nobody looked."""
        return twins.read(self.path, self.info.samples_digest, len(self._labels))

    def runs(self) -> list[str]:
        """Names of the runs, oldest first; a damaged one comes first and raises when it is opened."""
        found = []
        for info in (self.path / _RUNS).glob(f"*/{INFO_FILE}"):
            name = info.parent.name
            if not name.startswith("."):
                found.append((_created(Run(self, name)), name))
        return [name for _, name in sorted(found)]

    def run(self, name: str) -> Run:
        """The run of this name.

        Raises:
            NotFound: there is none.
            BadInput: its `run.json` is damaged.
        """
        known = self.runs()
        if name not in known:
            raise NotFound.among("run", name, known)
        run = Run(self, name)
        _ = run.info  # a damaged file is reported here rather than later
        return run

    def add_run(self, name: str, info: RunInfo) -> Run:
        """A new, empty run; raises as `new_run` does."""
        with self.new_run(name, info):
            pass
        return Run(self, name)

    @contextmanager
    def new_run(self, name: str, info: RunInfo) -> Iterator[Run]:
        """A run to fill before anybody sees it: it appears whole when the block ends, or not at all.

        `created` is filled in where it is empty.

        Raises:
            BadParameter: not a name, or taken.
            StorageFull: no room; nothing is left behind.
        """
        files.checked_name(name, "run")
        self.bring_up()
        with files.new_folder(self.path / _RUNS / name, "run") as folder:
            files.write_json(folder / INFO_FILE, asdict(replace(info, created=info.created or files.now())))
            yield Run(self, name, folder)


def _created(run: Run) -> str:
    try:
        return run.info.created
    except BadInput:
        return ""
