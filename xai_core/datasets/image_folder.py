"""Pictures in one folder per class, with or without folders for the splits above them."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import Scan, contradiction_notes, dataset, sample_table, take_split
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.params import param
from xai_core.pictures import SUFFIXES, decode_picture, open_picture, read_mask, read_picture, shown
from xai_core.types import SPLITS, Card, Progress, Split, silent

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class ImageFolderParams:
    """What the folder does not say itself."""

    validation: float = param(0.15, help="share split off for validation where no folder holds it", low=0.01, high=0.8)
    test: float = param(0.15, help="share split off for the test where no folder holds it", low=0.01, high=0.8)
    masks: str = param("", help="folder of masks named like the pictures; absolute, or seen from the data folder")
    classes: str = param("", help='only these classes, in this order: "a,b"; all by default')


@dataclass
class _Found:
    """Files by split and class, before any is opened."""

    files: dict[tuple[Split, str], list[Path]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def classes(self, split: Split | None = None) -> list[str]:
        return sorted({name for (of, name), files in self.files.items() if files and split in (None, of)})


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

    def scan(self, seed: int, progress: Progress = silent) -> Scan:
        """Find, hash and decode all pictures; make the splits that are missing.

        Unreadable pictures are named and left out. Ids are paths relative to the data folder.

        Raises:
            BadInput: no folder, no pictures, one class only, a class without training pictures or with too few.
        """
        found = self._find()
        names = self._class_names(found)
        samples = self._check(found, names, progress)
        _require_training(samples, names)
        samples = self._make_splits(samples, found, seed, names)
        notes = (*found.notes, *_missing_notes(samples, names), *contradiction_notes(samples))
        return Scan(samples, names, tuple(found.unreadable), notes)

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        """Upright, RGB or L; reduced where it is very large."""
        return read_picture(self._path(row))

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """The object's mask, None where there is no file or nothing in it."""
        path = self._masks.get(_mask_key(str(row["path"])))
        if path is None:
            return None
        size = (int(row["width"]), int(row["height"])) if "width" in row else self.picture(row).size
        mask = read_mask(path, size)
        return mask if mask.any() else None

    # Finding: which files belong to which split and class

    def _find(self) -> _Found:
        if not self._root.is_dir():
            raise BadInput("no such data folder", value=self._root.name, remedy="Check the path.")
        found = _Found()
        if self._params.masks:
            found.notes.append(f"{len(self._masks)} mask files were found.")
        # Without split folders everything is training, from which the other splits are then made.
        for split, folder in (self._split_folders() or {"train": self._root}).items():
            for class_folder in self._subfolders(folder):
                if _usable(class_folder, found):
                    found.files[split, class_folder.name] = list(self._pictures(class_folder, found))
        empty = sorted({name for _, name in found.files} - set(found.classes()))
        if empty:
            found.notes.append(f"Folders without pictures were left out: {', '.join(empty)}.")
        return found

    def _split_folders(self) -> dict[Split, Path]:
        folders: dict[Split, Path] = {}
        for folder in self._subfolders(self._root):
            split = _SPLIT_NAMES.get(folder.name.lower())
            if split is None or not self._subfolders(folder):  # a class may be called "train"
                continue
            if split in folders:
                both = f"{folders[split].name} and {folder.name}"
                raise BadInput(f"two folders hold the {split} split", value=both, remedy="Keep one of them.")
            folders[split] = folder
        if folders and "train" not in folders:
            raise BadInput("there is no training folder", value=self._root.name, remedy="Call one of them train.")
        return {split: folders[split] for split in SPLITS if split in folders}

    def _subfolders(self, folder: Path) -> list[Path]:
        masks = self._masks_folder
        return [
            entry for entry in _entries(folder) if entry.is_dir() and entry.resolve() != masks and self._inside(entry)
        ]

    def _pictures(self, folder: Path, found: _Found) -> Iterator[Path]:
        outside = 0
        for entry in _entries(folder):
            if entry.suffix.lower() not in SUFFIXES or entry.is_dir():
                continue
            if not self._inside(entry):
                outside += 1
            elif _usable(entry, found):
                yield entry
        if outside:
            found.notes.append(f"{outside} links in {shown(folder)} lead out of the data folder: not followed.")

    def _inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    def _class_names(self, found: _Found) -> tuple[str, ...]:
        names = found.classes()
        if not names:
            raise BadInput(
                "no folder with pictures",
                value=self._root.name,
                remedy="Put the pictures into one folder per class below it; links that lead out are not followed.",
            )
        wanted = _parsed(self._params.classes) or names
        for name in wanted:
            if name not in names:
                raise NotFound.among("class", name, names)
            if name not in found.classes("train"):
                raise BadInput("a class is missing in training", value=name, remedy="Add its folder, or leave it out.")
        if len(wanted) < 2:
            raise BadInput("there is one class only", value=wanted[0], remedy="A classifier needs two or more.")
        return tuple(wanted)

    # Checking: hash, decode, look for the mask

    def _check(self, found: _Found, names: tuple[str, ...], progress: Progress) -> pd.DataFrame:
        jobs = [
            (split, label, path)
            for split in SPLITS
            for label, name in enumerate(names)
            for path in found.files.get((split, name), [])
        ]
        rows = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                for done, (row, problems) in enumerate(pool.map(lambda job: self._row(*job), jobs), 1):
                    rows += [row] if row else []
                    found.unreadable += problems
                    progress(done, len(jobs), "pictures")
            except BaseException:  # a cancelled scan does not wait for the pictures in the queue
                pool.shutdown(cancel_futures=True)
                raise
        if not rows:
            path, reason = found.unreadable[0]
            raise BadInput("no picture can be read", value=path, remedy=f"The first says: {reason}.")
        return sample_table({column: [row[column] for row in rows] for column in rows[0]})

    def _row(self, split: Split, label: int, path: Path) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
        relative = path.relative_to(self._root).as_posix()
        row: dict[str, Any] = {"id": relative, "split": split, "label": label, "path": relative, "index": -1}
        try:
            with open_picture(path) as stream:
                row["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
                stream.seek(0)
                row["width"], row["height"] = decode_picture(stream, shown(path)).size
        except BadInput as error:
            return None, [(relative, str(error))]
        try:
            return row | {"has_mask": self.mask(row) is not None}, []
        except BadInput as error:
            return row | {"has_mask": False}, [(f"mask of {relative}", str(error))]

    @cached_property
    def _masks_folder(self) -> Path | None:
        return (self._root / self._params.masks).resolve() if self._params.masks else None

    @cached_property
    def _masks(self) -> dict[str, Path]:
        """Mask files by their path in the folder of masks, without suffix."""
        folder = self._masks_folder
        if folder is None:
            return {}
        files = (p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES and not _hidden(p))
        masks = {_mask_key(p.relative_to(folder).as_posix()): p for p in files if p.resolve().is_relative_to(folder)}
        if not masks:
            raise BadParameter("no masks in this folder", value=self._params.masks, remedy="Check the masks parameter.")
        return masks

    def _path(self, row: Mapping[str, Any]) -> Path:
        path = self._root / str(row["path"])
        if not self._inside(path):  # a sample table from elsewhere must not lead out of the folder
            raise BadInput("not a file of this data folder", value=row["path"], remedy="Make the study anew.")
        return path

    # Splitting

    def _make_splits(self, samples: pd.DataFrame, found: _Found, seed: int, names: tuple[str, ...]) -> pd.DataFrame:
        shares: dict[Split, float] = {"test": self._params.test, "validation": self._params.validation}
        training = int((samples["split"] == "train").sum())
        for split in [split for split in shares if split not in set(samples["split"])]:
            samples = take_split(samples, split, max(1, round(shares[split] * training)), seed, names)
            moved = int((samples["split"] == split).sum())
            found.notes.append(
                f"There is no {split} folder: {moved} of {training} training pictures, the same share of each class, "
                f"are for {split} (seed {seed}); identical ones stay together."
            )
        return samples


def _parsed(classes: str) -> list[str]:
    names = [name for name in next(csv.reader([classes], skipinitialspace=True), []) if name]
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


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not _hidden(entry))
    except OSError as error:
        raise BadInput("a folder cannot be read", value=shown(folder), remedy=f"Mend this: {error.strerror}.") from None


def _hidden(path: Path) -> bool:
    return path.name.startswith((".", "__MACOSX")) or path.name == "Thumbs.db"


def _usable(path: Path, found: _Found) -> bool:
    try:
        path.name.encode()
    except UnicodeEncodeError:
        found.unreadable.append((shown(path), "its name is not valid UTF-8"))
        return False
    return True


def _mask_key(relative: str) -> str:
    return os.path.splitext(relative)[0]
