"""PASCAL VOC with its segmentations: pictures in which one class is seen, and its pixels for a mask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import dataset
from xai_core.datasets.lists import VALIDATION, Entry, ListedPictures, Listing, plain_path, read_list, stem
from xai_core.datasets.look import file_inside
from xai_core.errors import BadInput
from xai_core.params import param
from xai_core.pictures import read_numbers
from xai_core.text import comma_list, counted, listed
from xai_core.types import Card, Progress, Split

CLASS_NAMES = tuple(
    comma_list(
        "aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,person,pottedplant,"
        "sheep,sofa,train,tvmonitor"
    )
)
_BORDER = 255
_IMAGES, _MASKS, _LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
_SPLITS: dict[Split, str] = {"train": "train.txt", "test": "val.txt"}


@dataclass(frozen=True)
class PascalVocParams:
    """What the lists do not say."""

    validation: float = param(0.15, help=VALIDATION, low=0.01, high=0.8)


@dataset(
    Card(
        key="pascal-voc",
        title="PASCAL VOC, segmentation",
        summary="Photos with masks of 20 classes; the folder VOC2012, or the VOCdevkit it lies in.",
        blind_spot="Only pictures whose mask shows one class are taken: crowded scenes are missing. VOC's val is "
        "the test.",
        paper="Everingham, Van Gool, Williams, Winn, Zisserman 2010, The PASCAL Visual Object Classes (VOC) Challenge",
    ),
    PascalVocParams,
)
class PascalVoc(ListedPictures):
    """`JPEGImages/`, `SegmentationClass/` and `ImageSets/Segmentation/{train,val}.txt`.

    A mask's numbers are classes: 0 background, 1 to 20 in VOC's order, 255 a border that is left open. A picture whose
    mask shows exactly one class is a sample of that class; others are counted.
    """

    def __init__(self, root: Path, params: PascalVocParams) -> None:
        super().__init__(root, params.validation)

    @staticmethod
    def recognises(data: Path) -> bool:
        """Whether pictures, masks and both lists are in the folder, or in a VOC2012 (or another year) within."""
        return bool(_folders(data))

    @cached_property
    def _base(self) -> Path:
        found = _folders(self._root)
        if not found:
            remedy = f"Give the folder that holds {_IMAGES}, {_MASKS} and {_LISTS}."
            raise BadInput("no data of VOC", value=self._root.name, remedy=remedy)
        if len(found) > 1:
            value, remedy = listed([folder.name for folder in found]), "Give one of these folders: --data FOLDER."
            raise BadInput("which year?", value=value, remedy=remedy)
        return found[0]

    def mask_file(self, path: str) -> Path:
        """`SegmentationClass/x.png` of `JPEGImages/x.jpg`."""
        return file_inside(self._base, f"{_MASKS}/{stem(path.removeprefix(self._prefix))}.png")

    @property
    def _prefix(self) -> str:
        return f"{(self._base / _IMAGES).relative_to(self._root).as_posix()}/"

    def belongs(self, numbers: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Everything but background and border: samples have one class."""
        return (numbers > 0) & (numbers != _BORDER)

    def listing(self, progress: Progress) -> Listing:
        """Pictures of one class. All masks are decoded."""
        lines = [(line, split) for split, name in _SPLITS.items() for line in read_list(self._base / _LISTS / name, 1)]
        found = Listing(CLASS_NAMES, [])
        several, none = list[str](), list[str]()
        for done, (line, split) in enumerate(lines, 1):
            path = f"{self._prefix}{plain_path(line, 0)}.jpg"
            try:
                classes = _classes(self.mask_file(path))
            except BadInput as error:
                found.lost.append((path, f"no class is known without its mask: {error}"))
            else:
                if len(classes) == 1:
                    found.entries.append(Entry(line, path, split, classes[0] - 1))
                else:
                    (several if classes else none).append(path)
            progress(done, len(lines), "masks")
        if not found.entries:
            first = found.lost[0][1] if found.lost else "All show several classes, or none."
            remedy = f"Check {_MASKS}: {first}"
            raise BadInput("no picture of one class", value=self._base.name, remedy=remedy)
        found.notes = [
            f"{len(found.entries):,} of {len(lines):,} pictures show one class, and are samples of it; "
            f"{counted(len(several), 'shows', 'show')} several and {len(none):,} none.",
            "VOC keeps the labels of its test to itself: its val is the test here. The border it leaves open is not "
            "the object.",
        ]
        return found


def _folders(data: Path) -> list[Path]:
    """The folders of this form: the one that is given, else those of years within it."""
    here = [data, *sorted(data.glob("VOC[0-9]*")), *sorted(data.glob("VOCdevkit/VOC[0-9]*"))]
    found = [folder for folder in here if _is_voc(folder)]
    return found[:1] if data in found else found


def _is_voc(folder: Path) -> bool:
    lists = all((folder / _LISTS / name).is_file() for name in _SPLITS.values())
    return lists and (folder / _IMAGES).is_dir() and (folder / _MASKS).is_dir()


def _classes(mask: Path) -> list[int]:
    """The classes in a mask, 1 to 20. Raises BadInput for a mask that cannot be read, and a number of no class."""
    numbers = [number for number in np.unique(read_numbers(mask)).tolist() if number not in (0, _BORDER)]
    if numbers and numbers[-1] > len(CLASS_NAMES):
        remedy = f"VOC has {len(CLASS_NAMES)}; take the data set's own mask."
        raise BadInput("a class that VOC does not have", value=f"{mask.name}: {numbers[-1]}", remedy=remedy)
    return numbers
