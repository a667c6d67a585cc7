"""Pictures with polygons or run lengths in files of COCO: the form that most tools of annotation write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from xai_core.datasets.base import dataset
from xai_core.datasets.coco_file import CROWDS, IGNORED, Annotated, CocoFile, crowds_note, label_map_of, read_coco
from xai_core.datasets.look import not_read
from xai_core.datasets.segmented import (
    Listing,
    SegmentedParams,
    SegmentedPictures,
    class_names,
    split_of_folders,
)
from xai_core.datasets.split_words import meant, said
from xai_core.datasets.walk import LeftOut, walk
from xai_core.errors import BadInput, NotFound
from xai_core.label_maps import BACKGROUND, LabelMap
from xai_core.params import param
from xai_core.pictures import MAX_MEGAPIXELS
from xai_core.task import SEGMENTATION
from xai_core.text import comma_list, counted, listed, plain_name
from xai_core.types import Card, Split

_KEY = "coco"
_AS_OBJECTS = f"--set {_KEY}.crowds=objects"
_KNOWN = re.compile(r".*\.coco\.json|instances.*\.json", re.IGNORECASE)
_ANY = re.compile(rf"{_KNOWN.pattern}|_?annotations?.*\.json|(?:.*[_-])?coco.*\.json", re.IGNORECASE)
"""How files of COCO are called that may be told by their names: by Roboflow, CVAT and COCO."""

_BESIDE = {"labels.json": "data", "result.json": "images"}
"""Plainer names, by FiftyOne and Label Studio, with the folder that lies beside the file then."""


@dataclass(frozen=True)
class CocoParams(SegmentedParams):
    """Which files, and which classes."""

    classes: str = param(
        "", help='only these categories, in this order: "cable,tower"; all that are annotated by default'
    )
    annotations: str = param(
        "", help='files of annotations, seen from the data folder: "a.json,b.json"; by default found'
    )
    images: str = param(
        "", help="folder that the names of pictures begin at, seen from the data folder; by default found"
    )
    crowds: str = param(IGNORED, help="what annotations with iscrowd 1 are", choices=CROWDS)


@dataset(
    Card(
        key=_KEY,
        title="COCO",
        summary="Polygons and RLE of several categories a picture: one JSON, one for each split (COCO, CVAT), or one "
        "in each split's folder (Roboflow).",
        blind_spot="Objects of one category that touch are one region. What nobody annotated is background.",
        paper="Lin, Maire, Belongie et al. 2014, Microsoft COCO: Common Objects in Context",
    ),
    CocoParams,
    task=SEGMENTATION,
)
class Coco(SegmentedPictures):
    """A folder with files of COCO and the pictures they name, or one such file.

    **Classes.** Class 0 is the background: all that no annotation covers, and what a category called so covers. The
    others are the categories with annotations, by their names, in the order of the first file; categories without any
    (Roboflow writes the name of the project as one) are left out and told.

    **Where annotations overlap**, the smaller one is seen: a wire before a wall is not hidden by the wall, in whatever
    order they were drawn. Of two of one size the later one is seen. Crowds (`iscrowd`) are to be ignored (255) where no
    object is annotated in them, and so is the box of an object whose outline cannot be used.

    **Splits** are what the names of files and folders say; those that are missing are made, with copies of one picture
    on one side.
    """

    key = _KEY

    def __init__(self, root: Path, params: CocoParams) -> None:
        file = root.resolve()
        folder = file if file.is_dir() else file.parent.parent if file.parent.name == "annotations" else file.parent
        super().__init__(folder, params)
        named = params.annotations if file.is_dir() else file.relative_to(folder).as_posix()
        self._wanted, self._images, self._asked = named, params.images, params.classes
        self._crowds = params.crowds
        self._pictures: dict[str, Annotated] = {}
        self._files: dict[str, list[str]] = {}
        self._told: dict[str, dict[str, None]] = {}

    @staticmethod
    def recognises(data: Path) -> bool:
        """Whether it is a JSON file, or a folder with one that is called as files of COCO are: in it, in `annotations`,
        or in the folders of splits."""
        if not data.is_dir():
            return data.suffix.lower() == ".json"
        folders = [data, *(path for path in data.iterdir() if path.is_dir() and _may_hold_files(path.name))]
        plain = any((data / file).is_file() and (data / folder).is_dir() for file, folder in _BESIDE.items())
        return plain or any(_ANY.fullmatch(path.name) for folder in folders for path in folder.glob("*.json"))

    def listing(self) -> Listing:
        """What the files say of the pictures that are there."""
        left = LeftOut()
        tree = list(walk(self._root, left).below())
        found = Listing((), {})
        files = self._read(tree, left)
        splits = dict[str, Split | None]()
        for name, (split, file) in files.items():
            self._take(name, split, file, tree, splits, found)
        if not splits:
            first = f"The first says: {found.lost[0][0]}: {found.lost[0][1]}" if found.lost else "It names none."
            raise BadInput("no picture of the annotations is here", value=listed(list(files)), remedy=first)
        found.names, found.splits = self._classes(files, found), splits
        others = [path for path in tree if path not in splits and path not in files]
        unnamed = [path for path in others if not not_read(self._root / path)]
        left.add("pictures that no annotation file names", *unnamed)
        found.lost += left.unreadable
        found.notes += left.notes()
        found.kept = {"annotations": self._wanted} if self._wanted else {}
        return found

    def drawn(self, path: str) -> LabelMap:
        """As the file says, in the size that it says."""
        listing, picture = self._listing, self._pictures.get(path)
        if picture is None or picture.size is None:
            raise BadInput("no picture of the annotations", value=path, remedy="Make the study anew.")
        labels = {name: label for label, name in enumerate(listing.names)}
        labels |= {each.category: 0 for each in picture.annotations if each.category.casefold() == BACKGROUND}
        label_map, told = label_map_of(picture.annotations, labels, picture.size)
        for reason, ids in told.items():
            self._told.setdefault(reason, {}).update(dict.fromkeys(f"{each} of {path}" for each in ids))
        return label_map

    def drawn_notes(self) -> list[str]:
        """Annotations that cannot be seen as they were meant."""
        return [
            f"{counted(len(ids), 'annotation has', 'annotations have')} {reason} ({listed(list(ids))})."
            for reason, ids in self._told.items()
        ]

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """The files that name the picture."""
        path = str(row["path"])
        return [self._root / name for name in self._files.get(path, ())] if self._listing else ()

    # Files

    def _read(self, tree: Sequence[str], left: LeftOut) -> dict[str, tuple[Split | None, CocoFile]]:
        """By path each file of annotations, and the split that it is of."""
        found: dict[str, CocoFile] = {}
        names = self._named(tree)
        for name in names:
            try:
                found[name] = read_coco(self._root / name, name, self._crowds)
            except BadInput:
                if self._wanted or len(names) == 1 or _KNOWN.fullmatch(PurePosixPath(name).name):
                    raise
                left.add("no files of COCO", name)
        if not found:
            value, remedy = listed(list(names)) or self._root.name, "Name the file: --set coco.annotations=FILE."
            raise BadInput("no file of COCO is here", value=value, remedy=remedy)
        return {name: (_split_of(name, list(found)), file) for name, file in found.items()}

    def _named(self, tree: Sequence[str]) -> list[str]:
        """The files that were asked for; else those that are called as files of COCO are; else all of JSON."""
        jsons = [path for path in tree if path.lower().endswith(".json")]
        if not self._wanted:
            return [path for path in jsons if _KNOWN.fullmatch(PurePosixPath(path).name)] or jsons
        for name in comma_list(self._wanted):
            if name not in jsons:
                raise NotFound.among("file of annotations", name, jsons)
        return comma_list(self._wanted)

    # Pictures

    def _take(
        self, name: str, split: Split | None, file: CocoFile, tree: Sequence[str],
        splits: dict[str, Split | None], found: Listing,
    ) -> None:  # fmt: skip
        """Put the file's pictures to those of the files before it."""
        base, there = self._base(name, split, file, tree), set(tree)
        twice = []
        for picture in file.pictures:
            path = f"{base}{picture.name}"
            if path not in there or picture.size is None:
                found.lost.append((picture.name, _why_lost(picture, name)))
                continue
            of = split or split_of_folders(path)
            known = self._pictures.get(path)
            if known is None:
                self._pictures[path], splits[path] = picture, of
            elif splits[path] != of or known.size != picture.size:
                problem = "a picture is listed twice, in two sizes or for two splits"
                raise BadInput(problem, value=f"{path} in {name}", remedy="List each picture once.")
            else:
                known.annotations.extend(picture.annotations)
                twice.append(path)
            self._files.setdefault(path, []).append(name)
        if twice:
            many = counted(len(twice), "picture is listed twice", "pictures are listed twice")
            found.notes.append(f"{many}, and all annotations of each are taken ({listed(twice)}).")
        for reason, ids in file.lost.items():
            many = counted(len(ids), "annotation was", "annotations were")
            found.notes.append(f"{many} left out ({reason}, {name}): {listed(ids)}.")

    def _base(self, name: str, split: Split | None, file: CocoFile, tree: Sequence[str]) -> str:
        """The folder, as `a/b/`, that most of the names of pictures begin at; of equals the nearest to the file."""
        if self._images:
            return "" if self._images == "." else f"{self._images.strip('/')}/"
        ends: dict[str, list[str]] = {}
        for path in tree:
            ends.setdefault(path.rpartition("/")[2], []).append(path)
        bases = Counter[str]()
        for picture in file.pictures:
            for path in ends.get(picture.name.rpartition("/")[2], ()):
                if path == picture.name or path.endswith(f"/{picture.name}"):
                    bases[path[: len(path) - len(picture.name)]] += 1
        own = f"{name.rpartition('/')[0]}/".lstrip("/")
        near = lambda base: (bases[base], base == own, split_of_folders(f"{base}x") == split)  # noqa: E731
        return max(sorted(bases), key=near, default=own)

    # Classes

    def _classes(self, files: Mapping[str, tuple[Split | None, CocoFile]], found: Listing) -> tuple[str, ...]:
        names = dict.fromkeys(name for _, file in files.values() for name in file.categories)
        known = [name for name in names if name.casefold() != BACKGROUND]
        annotated = [each for picture in self._pictures.values() for each in picture.annotations]
        crowds = sum(each.crowd for each in annotated)
        found.notes += crowds_note(crowds, _AS_OBJECTS)
        if annotated and crowds == len(annotated):
            remedy = f"They are several objects that nobody told apart, and ignored; as objects: {_AS_OBJECTS}."
            raise BadInput("all annotations are crowds", value=listed(list(files)), remedy=remedy)
        used = {each.category for each in annotated}
        asked = [plain_name(name) for name in comma_list(self._asked)]
        for name in asked:
            if name not in known and name.casefold() != BACKGROUND:
                raise NotFound.among("category", name, known)
        taken = [name for name in asked if name in known] or [name for name in known if name in used]
        unused = [] if asked else [name for name in known if name not in used]
        unasked = [name for name in known if name in used and name not in taken]
        if unused:
            many = counted(len(unused), "category has", "categories have")
            found.notes.append(f"{many} no annotation, and no class of its own: {listed(unused)}.")
        if unasked:
            many = counted(len(unasked), "category was", "categories were")
            found.notes.append(f"{many} not asked for, and background here: {listed(unasked)}.")
        return class_names([BACKGROUND, *taken], "Annotate some objects: a model learns nothing but the background.")


def _may_hold_files(name: str) -> bool:
    return name.casefold() == "annotations" or said(name) is not None


def _split_of(name: str, names: Sequence[str]) -> Split | None:
    """What the file's own name says, else that of its folder."""
    words = said(PurePosixPath(name).stem)
    if not words:
        return split_of_folders(name)
    return meant(words[0], [each[0] for other in names if (each := said(PurePosixPath(other).stem))])


def _why_lost(picture: Annotated, file: str) -> str:
    if picture.name.startswith("/") or ":" in picture.name.partition("/")[0] or ".." in picture.name.split("/"):
        return f"the name in {file} leads out of the data folder"
    if picture.size:
        return f"no such picture, which {file} names"
    return f"its width and height in {file} are no numbers of pixels, or too many for {MAX_MEGAPIXELS:g} megapixels"
