"""Pictures in one folder per class, with or without folders for the splits above them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import Scan, contradiction_notes, dataset, sample_table, take_split, take_split_together
from xai_core.datasets.layout import Layout, LeftOut, arrange, groups, nested_notes, walk
from xai_core.datasets.masks import Masks, find_masks
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.params import param
from xai_core.pictures import (
    SUFFIXES,
    WHITES,
    GreyRange,
    PictureInfo,
    fixed_range,
    full_range,
    holds_picture,
    inspect_picture,
    open_picture,
    own_range,
    picture_size,
    read_mask,
    read_picture,
    shown,
)
from xai_core.text import comma_list, counted, listed, plain_name
from xai_core.types import SPLITS, Card, Progress, Split, silent

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

_UNREAD = {
    "HEIC": (".heic", ".heif", ".hif"),
    "DICOM": (".dcm", ".dicom"),
    "cameras' raw files": (
        ".dng",
        ".nef",
        ".nrw",
        ".cr2",
        ".cr3",
        ".arw",
        ".orf",
        ".rw2",
        ".raf",
        ".pef",
        ".srw",
        ".raw",
    ),
    "drawings and documents": (".svg", ".psd", ".ai", ".eps", ".pdf", ".xcf"),
    "slides and volumes": (".svs", ".ndpi", ".nii", ".mha", ".mhd", ".nrrd", ".czi", ".lif"),
    "videos": (".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"),
    "arrays": (".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".pt"),
    "archives": (".zip", ".gz", ".tar", ".tgz", ".7z", ".rar"),
}
_KIND = {suffix: kind for kind, suffixes in _UNREAD.items() for suffix in suffixes}


@dataclass(frozen=True)
class ImageFolderParams:
    """What the folder does not say itself."""

    validation: float = param(0.15, help="share split off for validation where no folder holds it", low=0.01, high=0.8)
    test: float = param(0.15, help="share split off for the test where no folder holds it", low=0.01, high=0.8)
    masks: str = param("", help="folder of masks named like the pictures; absolute, or seen from the data folder")
    classes: str = param("", help='only these classes, in this order: "a,b"; all by default')
    black: float = param(0.0, help="grey value that becomes black, of pictures with more than 8 bits", later=True)
    white: float = param(0.0, help="grey value that becomes white; by default found, one for all pictures", later=True)


@dataclass(frozen=True)
class _Checked:
    """One picture, looked at: its line of the table, or none, and what is to be told of it."""

    row: dict[str, Any] | None
    info: PictureInfo | None = None
    problems: tuple[tuple[str, str], ...] = ()
    empty_masks: tuple[str, ...] = ()
    resized_masks: tuple[str, ...] = ()


@dataclass
class _Facts:
    """What was seen of all pictures together."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    infos: dict[str, PictureInfo] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
    empty_masks: list[str] = field(default_factory=list)
    resized_masks: list[str] = field(default_factory=list)

    def add(self, one: _Checked) -> None:
        self.problems += one.problems
        self.empty_masks += one.empty_masks
        self.resized_masks += one.resized_masks
        if one.row is not None and one.info is not None:
            self.rows.append(one.row)
            self.infos[one.row["path"]] = one.info


@dataset(
    Card(
        key="image-folder",
        title="Folders of pictures",
        summary="One folder per class, directly or within train, validation and test folders; missing splits are made.",
        blind_spot="A label is the folder's name: a picture in the wrong folder is mislabelled. One class a picture.",
    ),
    ImageFolderParams,
)
class ImageFolder:
    """A folder of class folders, or a folder of split folders of class folders."""

    def __init__(self, root: Path, params: ImageFolderParams) -> None:
        self._root = root.resolve()
        self._params = params
        if params.white and params.white <= params.black:
            raise BadParameter("white is not above black", value=params.white, remedy="Give a larger grey value.")

    def scan(self, seed: int, progress: Progress = silent) -> Scan:
        """Find, hash and decode all pictures; make the splits that are missing.

        Files that are not taken are counted in a note for each reason; unreadable pictures are named. Ids are paths
        relative to the data folder.

        Raises:
            BadInput: no folder, no pictures, one class only, a class without training pictures or with too few.
            BadParameter: a folder of masks that fits no picture.
        """
        left = LeftOut()
        layout = self._layout(left)
        masks = self._find_masks(layout, left, checked=False)
        for folder in layout.aside:
            left.add("beside the folders of the splits or classes", *folder.below())
        for folder in layout.unlabelled.values():
            left.add(f"{folder.path} has no class folders, so they are without a label", *folder.files)
        self._leave_others(layout, left)
        names = self._class_names(layout, left)
        facts = self._check(layout, names, masks, progress)
        samples = sample_table({column: [row[column] for row in facts.rows] for column in facts.rows[0]})
        _require_training(samples, names)
        white, grey_notes = self._white(facts.infos)
        notes = [*layout.notes, *nested_notes(layout), *masks.notes, *_mask_notes(facts), *left.notes()]
        notes += [*grey_notes, *_picture_notes(facts.infos)]
        samples = self._make_splits(samples, layout, notes, seed, names)
        notes += [*_missing_notes(samples, names), *contradiction_notes(samples)]
        kept = {"white": white} if white else {}
        return Scan(samples, names, (*left.unreadable, *facts.problems), tuple(notes), kept)

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        """Upright, RGB or L; reduced where it is very large."""
        return read_picture(self._path(row), grey=self._grey(full_range))

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """The object's mask, of all its files; None where there is no file. An empty one says that nothing is there."""
        if not row.get("has_mask", True):
            return None
        files = self.mask_files(row)
        if not files:
            return None
        size = (int(row["width"]), int(row["height"])) if "width" in row else self.picture(row).size
        return np.logical_or.reduce([read_mask(path, size) for path in files])

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """All files of the object's mask."""
        return self._masks.of.get(str(row["path"]), [])

    def _grey(self, otherwise: GreyRange) -> GreyRange:
        return fixed_range(self._params.black, self._params.white) if self._params.white else otherwise

    # Finding: which files belong to which split and class

    def _layout(self, left: LeftOut) -> Layout:
        if not self._root.is_dir():
            raise BadInput("no such data folder", value=self._root.name, remedy="Check the path.")
        return arrange(walk(self._root, left, without=self._masks_folder), left)

    def _find_masks(self, layout: Layout, left: LeftOut, *, checked: bool) -> Masks:
        folder, shown_as = self._masks_folder, self._params.masks
        return find_masks(self._root, layout, left, folder=folder, shown=shown_as, checked=checked)

    def _leave_others(self, layout: Layout, left: LeftOut) -> None:
        """What is no picture goes; a picture may be called anything."""
        for key, members in layout.files.items():
            pictures = []
            for member in members:
                suffix = Path(member.path).suffix.lower()
                kind = _KIND.get(suffix)
                if kind:
                    left.add(f"{kind}: not read; save pictures as JPEG or PNG", member.path)
                elif suffix in SUFFIXES or holds_picture(self._root / member.path):
                    pictures.append(member)
                else:
                    left.add("no pictures", member.path)
            layout.files[key] = pictures
        empty = sorted({name for _, name in layout.files} - set(layout.classes()))
        if empty:
            layout.notes.append(f"Folders without pictures were left out: {', '.join(empty)}.")

    def _class_names(self, layout: Layout, left: LeftOut) -> tuple[str, ...]:
        names = layout.classes()
        why = "".join(f" {note}" for note in left.notes())
        if not names:
            remedy = f"Put the pictures into one folder per class below it.{why}"
            raise BadInput("no folder with pictures", value=self._root.name, remedy=remedy)
        wanted = _parsed(self._params.classes) or names
        for name in wanted:
            if name not in names:
                raise NotFound.among("class", name, names)
            if name not in layout.classes("train"):
                raise BadInput("a class is missing in training", value=name, remedy="Add its folder, or leave it out.")
        if len(wanted) < 2:
            remedy = f"A classifier needs two or more.{why}"
            raise BadInput("there is one class only", value=wanted[0], remedy=remedy)
        others = [name for name in names if name not in wanted]
        if others:
            layout.notes.append(f"{counted(len(others), 'class was', 'classes were')} not asked for: {listed(others)}.")
        return tuple(wanted)

    # Checking: hash, decode, look for the mask

    def _check(self, layout: Layout, names: tuple[str, ...], masks: Masks, progress: Progress) -> _Facts:
        jobs = [
            (split, label, member.path)
            for split in SPLITS
            for label, name in enumerate(names)
            for member in sorted(layout.files.get((split, name), []), key=lambda member: member.path)
        ]
        facts = _Facts()

        def look(job: tuple[Split, int, str]) -> _Checked:
            return self._one(*job, masks=masks.of.get(job[2], []))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                for done, one in enumerate(pool.map(look, jobs), 1):
                    facts.add(one)
                    progress(done, len(jobs), "pictures")
            except BaseException:  # a cancelled scan does not wait for the pictures in the queue
                pool.shutdown(cancel_futures=True)
                raise
        if not facts.rows:
            path, reason = facts.problems[0]
            raise BadInput("no picture can be read", value=path, remedy=f"The first says: {reason.rstrip('.')}.")
        return facts

    def _one(self, split: Split, label: int, relative: str, *, masks: Sequence[Path]) -> _Checked:
        path = self._root / relative
        row: dict[str, Any] = {"id": relative, "split": split, "label": label, "path": relative, "index": -1}
        try:
            with open_picture(path) as stream:
                row["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
                stream.seek(0)
                info = inspect_picture(stream, shown(path), grey=self._grey(own_range))
        except BadInput as error:
            return _Checked(None, problems=((relative, str(error)),))
        row |= {"width": info.size[0], "height": info.size[1], "has_mask": False}
        try:
            parts = [read_mask(mask, info.size) for mask in masks]
            resized = tuple(shown(mask) for mask in masks if picture_size(mask) != info.full_size)
        except BadInput as error:
            return _Checked(row, info, ((f"mask of {relative}", str(error)),))
        row["has_mask"] = bool(parts)
        empty = tuple(shown(mask) for mask, part in zip(masks, parts, strict=True) if not part.any())
        return _Checked(row, info, empty_masks=empty, resized_masks=resized)

    def _white(self, infos: Mapping[str, PictureInfo]) -> tuple[float, list[str]]:
        """One white for all greys with more than 8 bits, 0 where there are none, and what is told of it."""
        deep = {path: info for path, info in infos.items() if info.grey}
        if not deep:
            return self._params.white, []
        lows, highs = zip(*(info.grey for info in deep.values() if info.grey), strict=True)
        low, high = min(lows), max(highs)
        many = counted(len(deep), "picture has", "pictures have")
        told = f"{many} grey values of more than 8 bits, from {low:g} to {high:g} ({listed(list(deep))})"
        if self._params.white:
            cut = sum(
                low < self._params.black or high > self._params.white for low, high in zip(lows, highs, strict=True)
            )
            return self._params.white, [
                f"{told}; as asked for, {self._params.black:g} is black and {self._params.white:g} is white, and "
                f"{counted(cut, 'picture has', 'pictures have')} values beyond, which are cut off."
            ]
        if len({info.floating for info in deep.values()}) > 1:
            remedy = "Save them alike, or say which value is white: --set image-folder.white=255."
            raise BadInput("grey values as floats and as whole numbers", value=listed(list(deep)), remedy=remedy)
        floating = next(iter(deep.values())).floating
        white = float(next(top for top in ((1, *WHITES) if floating else WHITES) if high <= top))
        bits = "" if floating else f", the most that {int(white).bit_length()} bits hold"
        dark = "" if float(np.median(highs)) > white / 8 else " Most are nearly black then: set image-folder.white."
        return white, [f"{told}; {white:g} is white in all of them{bits}.{dark}"]

    @cached_property
    def _masks_folder(self) -> Path | None:
        return (self._root / self._params.masks).resolve() if self._params.masks else None

    @cached_property
    def _masks(self) -> Masks:
        left = LeftOut()
        return self._find_masks(self._layout(left), left, checked=True)

    def _path(self, row: Mapping[str, Any]) -> Path:
        path = self._root / str(row["path"])
        # a sample table from elsewhere must not lead out of the folder
        if not Path(os.path.realpath(path)).is_relative_to(self._root):
            raise BadInput("not a file of this data folder", value=row["path"], remedy="Make the study anew.")
        return path

    # Splitting

    def _make_splits(
        self, samples: pd.DataFrame, layout: Layout, notes: list[str], seed: int, names: tuple[str, ...]
    ) -> pd.DataFrame:
        shares: dict[Split, float] = {"test": self._params.test, "validation": self._params.validation}
        training = int((samples["split"] == "train").sum())
        together = groups(layout)
        for split in [split for split in shares if split not in set(samples["split"])]:
            part = max(1, round(shares[split] * training))
            samples, kept = _take(samples, split, part, seed, names, together)
            moved = int((samples["split"] == split).sum())
            flat = layout.unlabelled.get(split)
            why = f"The folder {flat.path} has no class folders" if flat else f"There is no {split} folder"
            about = "about " if kept else ""
            also = ", and so do those of one subfolder" if kept else ""
            if together and not kept:
                also = ", but those of one subfolder (one patient's?) could not"
            notes.append(
                f"{why}: {moved} of {training} training pictures, {about}the same share of each class, are for {split} "
                f"(seed {seed}); identical ones stay together{also}."
            )
        return samples


def _take(
    samples: pd.DataFrame, split: Split, part: int, seed: int, names: tuple[str, ...], together: Mapping[str, str]
) -> tuple[pd.DataFrame, bool]:
    """The table with the split, and whether pictures of one subfolder could be kept together."""
    if together:
        with suppress(BadInput):
            return take_split_together(samples, split, part, seed, together), True
    return take_split(samples, split, part, seed, names), False


def _parsed(classes: str) -> list[str]:
    names = [plain_name(name) for name in comma_list(classes)]
    if len(set(names)) < len(names):
        raise BadParameter("a class is named twice", value=classes, remedy="Name each class once.")
    return names


def _require_training(samples: pd.DataFrame, names: tuple[str, ...]) -> None:
    trained = set(samples.loc[samples["split"] == "train", "label"])
    for label, name in enumerate(names):
        if label not in trained:
            raise BadInput("a class has no readable training picture", value=name, remedy="Add some or leave it out.")


def _missing_notes(samples: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    labels = {split: set(samples.loc[samples["split"] == split, "label"]) for split in SPLITS}
    return [
        f"The {split} split has no picture of {name}."
        for split in SPLITS
        for label, name in enumerate(names)
        if label not in labels[split]
    ]


def _mask_notes(facts: _Facts) -> list[str]:
    notes = []
    for masks, what in (
        (facts.empty_masks, "empty: they say that no object is there"),
        (facts.resized_masks, "of another size than their picture, and resized to it"),
    ):
        if masks:
            notes.append(f"{counted(len(masks), 'mask is', 'masks are')} {what} ({listed(masks)}).")
    return notes


def _picture_notes(infos: Mapping[str, PictureInfo]) -> list[str]:
    dark = [path for path, info in infos.items() if info.dark]
    many = [path for path, info in infos.items() if info.frames > 1]
    notes = []
    if dark:
        notes.append(
            f"{counted(len(dark), 'colour picture is', 'colour pictures are')} nearly black: 16 bits, of which the "
            f"highest two are not used; save as 8 bits ({listed(dark)})."
        )
    if many:
        notes.append(f"Of {counted(len(many), 'file')} with several frames the first is read ({listed(many)}).")
    return notes
