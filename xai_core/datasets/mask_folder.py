"""Pictures in one folder and label maps in another beside it: a PNG each, whose numbers are classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xai_core.datasets.base import dataset
from xai_core.datasets.class_list import in_order
from xai_core.datasets.layout import MASK_FOLDER, PICTURES_WORD, Layout, Member
from xai_core.datasets.look import not_read
from xai_core.datasets.masks import Masks, find_masks
from xai_core.datasets.segmented import Listing, SegmentedParams, SegmentedPictures, class_names, split_of_folders
from xai_core.datasets.split_words import said
from xai_core.datasets.walk import LeftOut, walk
from xai_core.errors import BadInput, BadParameter
from xai_core.label_maps import BACKGROUND, IGNORE, LabelMap
from xai_core.params import param
from xai_core.pictures import SUFFIXES, read_numbers, shown
from xai_core.task import SEGMENTATION
from xai_core.text import comma_list, comma_text, counted, listed, plain_name
from xai_core.types import Card

_KEY = "mask-folder"
_LIST = "classes.txt"


@dataclass(frozen=True)
class MaskFolderParams(SegmentedParams):
    """Where label maps lie, and what their numbers mean."""

    masks: str = param("", help="folder of label maps named like the pictures; absolute, or seen from the data folder")
    classes: str = param("", help='names of the classes, in the order of their numbers: "background,cable"')
    classes_file: str = param("", help=f"the same, a name a line; by default {_LIST} where there is one")
    values: str = param(
        "", help='number of each class in the files, where it is not 0, 1, 2, …: "0,255"; found by looking'
    )


@dataset(
    Card(
        key=_KEY,
        title="Folder of label maps",
        summary="Pictures in `images`, and in `masks`, `labels` or `annotations` beside it a PNG for each, grey or "
        "with a palette, whose numbers are classes.",
        blind_spot="Numbers are believed as they stand in the files. Objects of one class that touch are one region.",
    ),
    MaskFolderParams,
    task=SEGMENTATION,
)
class MaskFolder(SegmentedPictures):
    """A folder of pictures and one of label maps, each with or without folders for the splits.

    **Numbers.** A number is the class of this place in the list of names; 255 is to be ignored, and so is a number
    without a name, which is told. Without names the numbers that occur are the classes, 0 is the background. Files of
    0 and 255 alone, or of two numbers, show one object before a background.

    A picture without a label map is left out: nobody says what is in it.
    """

    key = _KEY

    def __init__(self, root: Path, params: MaskFolderParams) -> None:
        super().__init__(root, params)
        self._asked = params
        self._masks = Masks()
        self._class_of = np.full(IGNORE + 1, IGNORE, np.uint8)

    @staticmethod
    def recognises(data: Path) -> bool:
        """Whether pictures lie in a folder called so, masks in one beside it, and neither has folders for classes."""
        places = [data, *_folders(data)] if data.is_dir() else []
        return any(_side_by_side(place) for place in places)

    def listing(self) -> Listing:
        """The pictures that have a label map. All label maps are decoded, for what numbers there are."""
        left, found = LeftOut(), Listing((), {})
        paths = self._pair(left, found)
        numbers = self._numbers(paths, found)
        if not numbers:
            first = f"The first says: {found.lost[0][1]}" if found.lost else "Give their folder: --masks FOLDER."
            raise BadInput("no picture with a label map", value=self._root.name, remedy=first)
        found.splits = {path: split_of_folders(path) for path in numbers}
        seen = set[int]().union(*numbers.values())
        found.names, values = self._classes(seen)
        self._class_of[values] = np.arange(len(values))
        nameless = sorted(seen - {*values, IGNORE})
        if nameless:
            where = [path for path, held in numbers.items() if held & set(nameless)]
            many = counted(len(nameless), "number has", "numbers have")
            which = listed([str(number) for number in nameless])
            found.notes.append(f"{many} no name ({which}, in {listed(where)}): their pixels are ignored.")
        found.lost += left.unreadable
        found.notes += [*self._masks.notes, *left.notes()]
        found.kept = {"classes": comma_text(found.names), "values": ",".join(map(str, values)), "classes_file": ""}
        return found

    def drawn(self, path: str) -> LabelMap:
        """The file's numbers as classes."""
        listing, files = self._listing, self._masks.of.get(path, ())
        if path not in listing.splits or not files:
            raise BadInput("no picture with a label map", value=path, remedy="Make the study anew.")
        found: LabelMap = self._class_of[read_numbers(files[0])]
        return found

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """The file of the label map."""
        return self._masks.of.get(str(row["path"]), ()) if self._listing else ()

    # Finding

    def _pair(self, left: LeftOut, found: Listing) -> list[str]:
        """Paths of pictures with one label map, in order; others are told."""
        folder = (self._root / self._asked.masks).resolve() if self._asked.masks else None
        tree = list(walk(self._root, left, without=folder).below())
        layout = Layout({("train", ""): [Member(path, path) for path in tree]})
        self._masks = find_masks(self._root, layout, left, folder=folder, shown=self._asked.masks)
        pictures = []
        for member in layout.files["train", ""]:
            reason, files = not_read(self._root / member.path), self._masks.of.get(member.path, ())
            if reason:
                left.add(reason, member.path)
            elif not files:
                left.add("pictures without a label map", member.path)
            elif len(files) > 1:
                names = listed([file.name for file in files])
                found.lost.append((member.path, f"several label maps, of which one is expected: {names}"))
            else:
                pictures.append(member.path)
        return sorted(pictures)

    def _numbers(self, paths: Sequence[str], found: Listing) -> dict[str, set[int]]:
        """By path the numbers in its label map; those that cannot be read are told."""
        numbers = {}
        for path in paths:
            file = self._masks.of[path][0]
            try:
                numbers[path] = set(np.flatnonzero(np.bincount(read_numbers(file).ravel())).tolist())
            except BadInput as error:
                found.lost.append((path, f"its label map {shown(file)}: {error}"))
        return numbers

    # Classes

    def _classes(self, seen: set[int]) -> tuple[tuple[str, ...], list[int]]:
        """Names of the classes, and the number of each in the files."""
        names, values = self._given_names(), _whole_numbers(self._asked.values)
        two = seen == {0, IGNORE} or (0 in seen and len(seen) == 2 and IGNORE not in seen)
        if not values and two and len(names) in (0, 2):
            values = sorted(seen)
        elif not values:
            values = list(range(len(names))) or sorted(seen - {IGNORE})
        names = names or _names_of(values)
        if len(names) != len(values):
            remedy = f"There are {len(names)} names: {listed(names)}."
            raise BadParameter("not a number for each class", value=self._asked.values, remedy=remedy)
        return class_names(names, "Of one class nothing is learned: check that these are the label maps."), values

    def _given_names(self) -> list[str]:
        if self._asked.classes:
            names = [plain_name(name) for name in comma_list(self._asked.classes)]
        else:
            file = self._root / (self._asked.classes_file or _LIST)
            names = list(in_order(file)) if self._asked.classes_file or file.is_file() else []
        if len(set(names)) < len(names):
            raise BadParameter("a class is named twice", value=listed(names), remedy="Name each class once.")
        return names


def _names_of(values: Sequence[int]) -> list[str]:
    """What numbers without names are called: the second of two is the object."""
    if len(values) == 2 and values[0] == 0:
        return [BACKGROUND, "object"]
    return [f"class {value}" if value else BACKGROUND for value in values]


def _whole_numbers(text: str) -> list[int]:
    words = comma_list(text)
    if not all(word.isascii() and word.isdigit() and len(word) < 4 and int(word) <= IGNORE for word in words):
        raise BadParameter(
            "not numbers of label maps", value=text, remedy=f"Write 0,{IGNORE}: each from 0 to {IGNORE}."
        )
    if len(set(map(int, words))) < len(words):
        raise BadParameter("a number of two classes", value=text, remedy="Give each class its own.")
    return [int(word) for word in words]


def _folders(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith("."))


def _side_by_side(place: Path) -> bool:
    """Whether a folder of pictures and one of masks lie in it, with files in them or in folders of splits."""
    folders = list(_folders(place))
    masks = [path for path in folders if MASK_FOLDER.fullmatch(path.name) and _flat(path)]
    pictures = [path for path in folders if PICTURES_WORD.fullmatch(path.name) and _flat(path)]
    return len(masks) == 1 and len(pictures) == 1


def _flat(folder: Path) -> bool:
    """Whether pictures lie in it, or in folders of splits, and in no others."""
    below = list(_folders(folder))
    return all(said(path.name) for path in below) and any(
        path.suffix.lower() in SUFFIXES for place in [folder, *below] for path in place.iterdir()
    )
