"""The contract of a dataset: it scans a folder once into a table, and reads one sample at a time afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadParameter, NotFound
from xai_core.params import NoParams
from xai_core.registry import Registry
from xai_core.splits import stratified, stratified_groups
from xai_core.task import CLASSIFICATION, TaskKey
from xai_core.text import counted
from xai_core.types import Card, Progress, Split, silent

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from PIL import Image

SAMPLE_COLUMNS = ("id", "split", "label", "path", "index", "width", "height", "has_mask", "sha256")
"""Of the sample table, in order. `id` str, unique, stable; `split` one of SPLITS; `label` int class index;
`path` str relative to the data folder, with `/`; `index` int position inside that file, or -1;
`width`, `height` int pixels as read (after EXIF rotation); `has_mask` bool; `sha256` hex of the stored bytes
of the sample (of the file, or of the pixels where one file holds many)."""

NO_TRAINING = (
    "Nothing is trained here: there are no training pictures. What compares with a background of them (SHAP) takes it "
    "from the pictures that there are."
)
"""What is told of a study to test alone."""

FOLDERS = "image-folder"
"""What a folder is read as where no dataset knows it better."""

_NAMED = 3
"""Of what a note is about, so many are named."""


@dataclass(frozen=True)
class Scan:
    """What a look through a data folder found.

    Attributes:
        samples: a table with SAMPLE_COLUMNS, in the order that becomes the row number everywhere.
        class_names: K names; `label` indexes them.
        unreadable: (relative path, reason) of files left out.
        notes: facts a person should know (how a missing split was made, …), one sentence each.
        params: parameters that were found by looking, and are kept so that the samples are read alike ever after.
        data: the folder that paths are relative to, where it is not the one that was given.
        facts: what is known of each sample beside its label: a table with a line for each, see `xai_core.store.facts`.
        near: `(m, 3)` pairs of samples of different splits that look nearly the same: rows, and the distance of their
            hashes; None where nobody looked.
        class_ids: K ids that the data has for its classes (`n01440764`) where people have other names; else ().
    """

    samples: pd.DataFrame
    class_names: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())
    params: Mapping[str, Any] = field(default_factory=dict)
    data: Path | None = None
    facts: pa.Table | None = None
    class_ids: tuple[str, ...] = ()
    near: NDArray[np.int64] | None = None


class Dataset(Protocol):
    """One dataset on disk. Built as `Type(root, params)`; building reads nothing."""

    def scan(self, seed: int, progress: Progress = silent) -> Scan:
        """Find, check and split all samples. Raises BadInput when there is nothing usable."""
        ...

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        """The sample's picture, upright, mode `RGB` or `L`. `row` has at least `path` and `index`.

        Raises BadInput when the file is gone or unreadable.
        """
        ...

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """The object's mask `(height, width)` on the picture's pixels, or None where there is none."""
        ...


@runtime_checkable
class HasMaskFiles(Protocol):
    """A dataset that says where its masks lie, so that an edited one is noticed without decoding all of them.

    Without it, masks that are edited while the study is open are not noticed, and each opening decodes all.
    """

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """The files that the sample's mask is read from, present or not; an archive counts as a file."""
        ...


@runtime_checkable
class HasLabelMaps(Protocol):
    """A dataset of segmentation: it says of every pixel what it is.

    In its sample table `label` is the object class with most pixels (`label_maps.dominant`), `has_mask` whether there
    is an object at all, and `mask` where objects are. Label maps are asked for once, when a study is made.
    """

    def label_map(self, row: Mapping[str, Any]) -> NDArray[np.uint8]:
        """`(height, width)` class indices on the picture's pixels, 255 to ignore. Raises BadInput where unreadable."""
        ...


@dataclass(frozen=True, eq=False)
class Parts:
    """What a picture is made of, and the same picture without each part.

    Attributes:
        names: P of them.
        masks: `(P, height, width)` bool, on the picture's pixels: where each is seen, and what goes with it.
        without: of each part the pictures in which it is not there, as the sample's own would have been stored;
            several where something must be in its place, which is another in each. None of what cannot go.
    """

    names: tuple[str, ...]
    masks: NDArray[np.bool_]
    without: Sequence[Sequence[Image.Image]]


@runtime_checkable
class HasParts(Protocol):
    """A dataset that can show a sample again without a part of it, and all else the same."""

    def parts(self, row: Mapping[str, Any]) -> Parts:
        """The sample's parts. Raises BadInput where they cannot be shown."""
        ...


@runtime_checkable
class RecognisesData(Protocol):
    """A dataset that knows its own data when it sees them, so that nobody has to name it; see `dataset_of`."""

    @staticmethod
    def recognises(data: Path) -> bool:
        """Whether a folder or file is of this kind, from names alone; no other dataset may say so of it."""
        ...


@dataclass(frozen=True)
class DatasetMember:
    """A registered dataset: `make(root, params)` gives a Dataset, of segmentation one that `HasLabelMaps`."""

    card: Card
    params: type
    make: Callable[[Path, Any], Dataset]
    task: TaskKey = CLASSIFICATION


DATASETS: Registry[DatasetMember] = Registry("dataset", "xai_core.datasets")


def dataset(card: Card, params: type = NoParams, *, task: TaskKey = CLASSIFICATION) -> Callable[[type], type]:
    """Class decorator that registers a Dataset."""

    def register(cls: type) -> type:
        DATASETS.add(DatasetMember(card, params, cls, task))
        return cls

    return register


def dataset_of(data: Path) -> str:
    """The key of the dataset that reads this: the one that recognises it, for any other folder `image-folder`.

    Raises NotFound where nothing is there, BadParameter for a file that none recognises.
    """
    keys = [key for key in sorted(DATASETS.keys()) if _recognised(DATASETS[key], data)]
    if len(keys) == 1:
        return keys[0]
    if not data.exists():
        raise NotFound("nothing is here", value=data, remedy="Give a folder of pictures or a table of their paths.")
    if keys or not data.is_dir():
        remedy = f"Give --dataset, one of {', '.join(keys or DATASETS.keys())}."
        raise BadParameter("it cannot be told which dataset reads this", value=data, remedy=remedy)
    return FOLDERS


def _recognised(member: DatasetMember, data: Path) -> bool:
    return isinstance(member.make, RecognisesData) and member.make.recognises(data)


def sample_table(columns: Mapping[str, Any]) -> pd.DataFrame:
    """A table with SAMPLE_COLUMNS in order and with their types, from columns or from one value for all rows."""
    import pandas as pd

    types = {"label": "int64", "index": "int64", "width": "int64", "height": "int64", "has_mask": "bool"}
    return pd.DataFrame(dict(columns), columns=list(SAMPLE_COLUMNS)).astype(types)


def take_split(samples: pd.DataFrame, split: Split, part: float, seed: int, names: tuple[str, ...]) -> pd.DataFrame:
    """The table with a stratified part of its training samples moved to `split`: see `stratified`."""
    rows = samples[samples["split"] == "train"]
    taken = stratified(rows["label"].to_numpy(), part, seed, keys=rows["sha256"].tolist(), names=names)
    return _moved(samples, taken, split)


def take_split_together(
    samples: pd.DataFrame, split: Split, part: float, seed: int, groups: Mapping[str, str]
) -> pd.DataFrame:
    """The same, where samples of one group stay on one side: see `stratified_groups`.

    Args:
        groups: by path, what samples share that must not be on both sides, such as the patient.

    Raises:
        BadInput: a class has too few or too large groups.
    """
    rows = samples[samples["split"] == "train"]
    names = [groups.get(path, "") for path in rows["path"]]
    taken = stratified_groups(rows["label"].to_numpy(), part, seed, keys=rows["sha256"].tolist(), groups=names)
    return _moved(samples, taken, split)


def _moved(samples: pd.DataFrame, taken: NDArray[np.bool_], split: Split) -> pd.DataFrame:
    splits = samples["split"].to_numpy(dtype=object, copy=True)
    splits[np.flatnonzero(splits == "train")[taken]] = split
    return samples.assign(split=splits.tolist())


def contradiction_notes(samples: pd.DataFrame) -> tuple[str, ...]:
    """A sentence on identical samples with different labels, where there are some; it names the first of them."""
    labels = samples.groupby("sha256")["label"].nunique()
    twice = labels.index[labels > 1]
    if not len(twice):
        return ()
    ids = [samples.loc[samples["sha256"] == key].drop_duplicates("label")["id"] for key in twice[:_NAMED]]
    named = "; ".join(" and ".join(map(str, pair)) for pair in ids) + ("; …" if len(twice) > _NAMED else "")
    many = counted(len(twice), "picture lies", "pictures lie")
    return (f"{many} in more than one class (identical samples), so a label is wrong: {named}.",)
