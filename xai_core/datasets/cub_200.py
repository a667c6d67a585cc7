"""CUB-200-2011: birds of 200 species, with masks on which five annotators agree more or less."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import dataset
from xai_core.datasets.lists import VALIDATION, Entry, Line, ListedPictures, Listing, plain_path, read_list, stem
from xai_core.datasets.look import file_inside
from xai_core.errors import BadInput
from xai_core.params import param
from xai_core.text import plain_name
from xai_core.types import Card, Progress

_FOLDER, _IMAGES, _MASKS = "CUB_200_2011", "images", "segmentations"
_LISTS = ("images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt")


@dataclass(frozen=True)
class Cub200Params:
    """What the lists do not say."""

    validation: float = param(0.15, help=VALIDATION, low=0.01, high=0.8)
    agreement: float = param(
        0.5, help="a pixel is bird where more than this share of the annotators says so", low=0.0, high=0.99
    )
    masks: str = param("", help=f"folder of the masks; by default {_MASKS} in the data set's folder or beside it")


@dataset(
    Card(
        key="cub-200",
        title="CUB-200-2011",
        summary="11,788 photos of birds of 200 species, with masks; the folder CUB_200_2011, or the one it lies in.",
        blind_spot="Some test pictures are known to be in ImageNet: weights trained there have seen them.",
        paper="Wah, Branson, Welinder, Perona, Belongie 2011, The Caltech-UCSD Birds-200-2011 Dataset",
    ),
    Cub200Params,
)
class Cub200(ListedPictures):
    """`images.txt`, `image_class_labels.txt`, `classes.txt`, `train_test_split.txt`, `images/` and `segmentations/`.

    The masks' greys are the share of five annotators who drew a pixel as bird: 0, 51, … 255.
    """

    def __init__(self, root: Path, params: Cub200Params) -> None:
        super().__init__(root, params.validation)
        self._params = params

    @staticmethod
    def recognises(data: Path) -> bool:
        """Whether all four lists lie in the folder, or in its CUB_200_2011."""
        return any(all((folder / name).is_file() for name in _LISTS) for folder in (data, data / _FOLDER))

    @cached_property
    def _base(self) -> Path:
        inner = self._root / _FOLDER
        return inner if inner.is_dir() else self._root

    @cached_property
    def _masks(self) -> Path:
        if self._params.masks:
            return (self._root / self._params.masks).resolve()
        inside, beside = self._base / _MASKS, self._base.parent / _MASKS
        return (beside if beside.is_dir() and not inside.is_dir() else inside).resolve()

    def mask_file(self, path: str) -> Path:
        """`segmentations/001.Albatross/x.png` of `images/001.Albatross/x.jpg`."""
        below = path.removeprefix(self._prefix)
        return file_inside(self._masks, f"{stem(below)}.png")

    @property
    def _prefix(self) -> str:
        return f"{(self._base / _IMAGES).relative_to(self._root).as_posix()}/"

    def belongs(self, numbers: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Where more than `agreement` of the annotators say bird. Raises BadInput for a mask of 0 and 1."""
        if numbers.max(initial=0) == 1:
            remedy = "Take the data set's own masks, or multiply these by 255."
            raise BadInput("the mask's greys are no share of annotators", value="0 and 1, not 0 to 255", remedy=remedy)
        return numbers > 255 * self._params.agreement

    def listing(self, progress: Progress) -> Listing:  # noqa: ARG002
        """All pictures of `images.txt`, in its order."""
        classes = {line.number(0): line.cells[1] for line in read_list(self._base / _LISTS[2], 2)}
        ids = sorted(classes)
        label_of, train = self._by_id(_LISTS[1]), self._by_id(_LISTS[3])
        entries = []
        for line in read_list(self._base / _LISTS[0], 2):
            picture = line.number(0)
            label, split = _of(picture, label_of, line, _LISTS[1]), _of(picture, train, line, _LISTS[3])
            if label.number(1) not in classes:
                raise label.wrong("a class that classes.txt does not name", "Take the data set's own files.")
            if split.number(1) > 1:
                raise split.wrong("neither training (1) nor test (0)", "Take the data set's own file.")
            where = f"{self._prefix}{plain_path(line, 1)}"
            entries.append(Entry(line, where, "train" if split.number(1) else "test", ids.index(label.number(1))))
        names = tuple(plain_name(classes[id_].partition(".")[2].replace("_", " ") or classes[id_]) for id_ in ids)
        notes = [f"A pixel is bird where more than {self._params.agreement:.0%} of the annotators drew it so."]
        if not self._masks.is_dir():
            notes = [f"There are no masks: unpack {_MASKS} beside or in {_FOLDER}, or give --masks FOLDER."]
        return Listing(names, entries, tuple(classes[id_] for id_ in ids), notes=notes)

    def _by_id(self, name: str) -> dict[int, Line]:
        return {line.number(0): line for line in read_list(self._base / name, 2)}


def _of(picture: int, lines: dict[int, Line], line: Line, name: str) -> Line:
    if picture not in lines:
        raise line.wrong(f"a picture that {name} does not name", "Take the data set's own files.")
    return lines[picture]
