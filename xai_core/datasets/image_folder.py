"""Pictures in one folder per class, with or without folders for the splits above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import (
    NO_TRAINING,
    Scan,
    contradiction_notes,
    dataset,
    sample_table,
    take_split,
    take_split_together,
)
from xai_core.datasets.class_list import named
from xai_core.datasets.layout import Layout, arrange, groups, nested_notes
from xai_core.datasets.look import (
    LARGEST,
    MOST_SIDE,
    TURN,
    Looked,
    Wanted,
    decoded,
    file_inside,
    grey_of,
    hashes_of,
    look,
    mask_notes,
    near_twins,
    not_read,
    picture_notes,
    united_mask,
    white_of,
)
from xai_core.datasets.masks import Masks, find_masks
from xai_core.datasets.walk import LeftOut, walk
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.params import param
from xai_core.pictures import (
    LARGEST_SIDE,
    own_range,
)
from xai_core.text import comma_list, counted, listed, plain_name
from xai_core.types import SPLITS, Card, Progress, Split, silent

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image


@dataclass(frozen=True)
class ImageFolderParams:
    """What the folder does not say itself."""

    validation: float = param(0.15, help="share split off for validation where no folder holds it", low=0.01, high=0.8)
    test: float = param(0.15, help="share split off for the test where no folder holds it", low=0.01, high=0.8)
    masks: str = param("", help="folder of masks named like the pictures; absolute, or seen from the data folder")
    classes: str = param("", help='only these classes, in this order: "a,b"; all by default')
    classes_file: str = param("", help="list of the classes by their folders' names, with names for people", later=True)
    class_folders: str = param(
        "outer",
        help="which folders are the classes: those below the split, or the inner ones that hold the pictures",
        choices=("outer", "inner"),
        later=True,
    )
    test_only: bool = param(
        False,
        help="nothing is trained here, all pictures are the test; so it is without a training folder",
        later=True,
    )
    black: float = param(0.0, help="grey value that becomes black, of pictures with more than 8 bits", later=True)
    white: float = param(0.0, help="grey value that becomes white; by default found, one for all pictures", later=True)
    turn: bool = param(True, help=TURN, later=True)
    largest_side: int = param(LARGEST_SIDE, help=LARGEST, low=64, high=MOST_SIDE, later=True)


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
            BadInput: no folder, no pictures, one class only, a list of classes that does not fit; where some pictures
                are for training, a class without such pictures or with too few.
            NotFound: a class that is not there.
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
        classes = self._classes(layout, left)
        names = tuple(classes.values())
        found = self._look(layout, tuple(classes), masks, progress)
        samples = sample_table({column: [row[column] for row in found.rows] for column in found.rows[0]})
        if layout.trains:
            _require_training(samples, names)
        white, grey_notes = white_of(found.infos, self._params.black, self._params.white, "image-folder")
        notes = [*layout.notes, *nested_notes(layout), *masks.notes, *mask_notes(found), *left.notes()]
        notes += [*grey_notes, *picture_notes(found.infos, "image-folder")]
        if layout.trains:
            samples = self._make_splits(samples, layout, notes, seed, names)
        else:
            notes.append(NO_TRAINING)
        notes += [*_missing_notes(samples, names), *contradiction_notes(samples)]
        kept: dict[str, Any] = {"white": white} if white else {}
        if self._params.classes_file:  # it has been read, and may be gone tomorrow
            kept["classes_file"] = Path(self._params.classes_file).name
        ids = tuple(classes) if tuple(map(plain_name, classes)) != names else ()
        return Scan(
            samples,
            names,
            (*left.unreadable, *found.problems),
            tuple(notes),
            kept,
            class_ids=ids,
            near=near_twins(samples, hashes_of(samples, found.infos), progress),
        )

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        """Upright, RGB or L; reduced where it is very large."""
        return decoded(self._params, file_inside(self._root, row["path"]))

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """The object's mask, of all its files; None where there is no file. An empty one says that nothing is there."""
        return united_mask(row, self.mask_files(row), self.picture)

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """All files of the object's mask."""
        return self._masks.of.get(str(row["path"]), [])

    # Finding: which files belong to which split and class

    def _layout(self, left: LeftOut) -> Layout:
        if not self._root.is_dir():
            raise BadInput("no such data folder", value=self._root.name, remedy="Check the path.")
        inner, test_only = self._params.class_folders == "inner", self._params.test_only
        return arrange(walk(self._root, left, without=self._masks_folder), left, test_only=test_only, inner=inner)

    def _find_masks(self, layout: Layout, left: LeftOut, *, checked: bool) -> Masks:
        folder, shown_as = self._masks_folder, self._params.masks
        return find_masks(self._root, layout, left, folder=folder, shown=shown_as, checked=checked)

    def _leave_others(self, layout: Layout, left: LeftOut) -> None:
        """What is no picture goes; a picture may be called anything."""
        for key, members in layout.files.items():
            pictures = []
            for member in members:
                reason = not_read(self._root / member.path)
                if reason:
                    left.add(reason, member.path)
                else:
                    pictures.append(member)
            layout.files[key] = pictures
        empty = sorted({name for _, name in layout.files} - set(layout.classes()))
        if empty:
            layout.notes.append(f"Folders without pictures were left out: {', '.join(empty)}.")

    def _classes(self, layout: Layout, left: LeftOut) -> dict[str, str]:
        """Names for people, by the names of the folders, in the order of the labels."""
        folders = layout.classes()
        why = f"{_tables_note(self._root)}{''.join(f' {note}' for note in left.notes())}"
        if not folders:
            remedy = f"Put the pictures into one folder per class below it.{why}"
            raise BadInput("no folder with pictures", value=self._root.name, remedy=remedy)
        classes = self._named(layout, folders)
        wanted = [_folder(name, classes) for name in _parsed(self._params.classes)] or list(classes)
        trained = set(layout.classes("train")) if layout.trains else set(wanted)
        for folder in wanted:
            if folder not in trained:
                raise BadInput(
                    "a class is missing in training", value=folder, remedy="Add its folder, or leave it out."
                )
        if len(wanted) < 2:
            remedy = f"A classifier needs two or more.{why}"
            raise BadInput("there is one class only", value=wanted[0], remedy=remedy)
        asked = set(wanted)
        others = [folder for folder in classes if folder not in asked]
        if others:
            layout.notes.append(f"{counted(len(others), 'class was', 'classes were')} not asked for: {listed(others)}.")
        return {folder: classes[folder] for folder in wanted}

    def _named(self, layout: Layout, folders: list[str]) -> dict[str, str]:
        if not self._params.classes_file:
            return {folder: folder for folder in folders}
        found = named(self._root / self._params.classes_file, folders)
        layout.notes += found.notes
        return dict(zip(found.folders, found.names, strict=True))

    def _look(self, layout: Layout, names: tuple[str, ...], masks: Masks, progress: Progress) -> Looked:
        wanted = [
            Wanted(member.path, split, label, member.path)
            for split in SPLITS
            for label, name in enumerate(names)
            for member in sorted(layout.files.get((split, name), []), key=lambda member: member.path)
        ]
        turn, side, grey = self._params.turn, self._params.largest_side, grey_of(self._params, own_range)
        return look(self._root, wanted, masks.of, grey=grey, turn=turn, largest_side=side, progress=progress)

    @cached_property
    def _masks_folder(self) -> Path | None:
        return (self._root / self._params.masks).resolve() if self._params.masks else None

    @cached_property
    def _masks(self) -> Masks:
        left = LeftOut()
        return self._find_masks(self._layout(left), left, checked=True)

    # Splitting

    def _make_splits(
        self, samples: pd.DataFrame, layout: Layout, notes: list[str], seed: int, names: tuple[str, ...]
    ) -> pd.DataFrame:
        shares: dict[Split, float] = {"test": self._params.test, "validation": self._params.validation}
        training = int((samples["split"] == "train").sum())
        together = groups(layout)
        for split in [split for split in shares if split not in set(samples["split"])]:
            part = max(1, round(shares[split] * training))
            try:
                samples, kept = _take(samples, split, part, seed, names, together)
            except BadInput as error:
                remedy = f"{error.remedy} To test alone, all pictures can be the test: --test-only."
                raise BadInput(error.problem, value=error.value, remedy=remedy) from None
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


def _folder(name: str, classes: Mapping[str, str]) -> str:
    """The folder of a class, by its own name or by that for people."""
    known = {plain_name(of_people): folder for folder, of_people in classes.items()} | {
        plain_name(folder): folder for folder in classes
    }
    if name not in known:
        raise NotFound.among("class", name, known)
    return known[name]


def _tables_note(root: Path) -> str:
    """A sentence on tables that lie beside the pictures: they may hold the labels that the folders do not."""
    tables = sorted(file.name for file in root.glob("*") if file.suffix.lower() in (".csv", ".tsv", ".parquet"))
    if not tables:
        return ""
    one = "" if len(tables) == 1 else ", of several tables one with a column that names the split"
    return f" Where the labels are in {listed(tables)}: give the table, --data FILE{one}."


def _require_training(samples: pd.DataFrame, names: tuple[str, ...]) -> None:
    trained = set(samples.loc[samples["split"] == "train", "label"])
    for label, name in enumerate(names):
        if label not in trained:
            raise BadInput("a class has no readable training picture", value=name, remedy="Add some or leave it out.")


def _missing_notes(samples: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    """Of each split that has pictures: which classes it lacks."""
    notes = []
    for split in SPLITS:
        there = set(samples.loc[samples["split"] == split, "label"])
        lacking = [name for label, name in enumerate(names) if label not in there] if there else []
        if lacking:
            what = lacking[0] if len(lacking) == 1 else f"{len(lacking):,} classes: {listed(lacking)}"
            notes.append(f"The {split} split has no picture of {what}.")
    return notes
