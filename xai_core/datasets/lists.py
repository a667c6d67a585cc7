"""Data sets that name their pictures in text files, one a line: how such lists are read, and what is made of them.

Who reads such a layout says in `listing` which pictures there are, and in `belongs` which numbers of a mask are the
object; the rest is the same for all.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import Scan, contradiction_notes, sample_table, take_split
from xai_core.datasets.look import (
    Looked,
    Wanted,
    file_inside,
    hashes_of,
    look,
    mask_notes,
    near_twins,
    picture_notes,
    united_mask,
)
from xai_core.errors import BadInput
from xai_core.files import read_plain
from xai_core.pictures import full_range, read_picture
from xai_core.text import counted, listed
from xai_core.types import Progress, Split, silent

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from PIL import Image

_LARGEST = 64 * 2**20
VALIDATION = "share of the training pictures that is kept for validation"


@dataclass(frozen=True)
class Line:
    """A line of a list: its cells, and the words that name its place."""

    place: str
    cells: tuple[str, ...]

    def wrong(self, problem: str, remedy: str) -> BadInput:
        """The error of this line."""
        return BadInput(problem, value=f"{self.place}: {' '.join(self.cells)}", remedy=remedy)

    def number(self, cell: int) -> int:
        """A cell as a whole number. Raises BadInput where it is none."""
        text = self.cells[cell]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self.wrong("a number is expected", f"Replace {text!r}, or take the data set's own file.")
        return int(text)


def read_list(path: Path, cells: int) -> list[Line]:
    """The lines of a text file, each of so many cells with blanks between; the last may hold blanks.

    Empty lines, and those that begin with `#`, are passed by.

    Raises:
        BadInput: no such file, larger than 64 MiB, no text in UTF-8, no lines, or a line with fewer cells.
    """
    try:
        text = read_plain(path, _LARGEST).decode("utf-8-sig")
    except OSError as error:
        remedy = f"Check that the data set is unpacked as a whole: {error.strerror}."
        raise BadInput("a list of the data set cannot be read", value=path.name, remedy=remedy) from None
    except UnicodeDecodeError:
        raise BadInput("a list is no text in UTF-8", value=path.name, remedy="Take the data set's own file.") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = tuple(line.strip().split(maxsplit=cells - 1))
        if not parts or parts[0].startswith("#"):
            continue
        one = Line(f"{path.name}, line {number:,}", parts)
        if len(parts) < cells or "\0" in line:
            raise one.wrong("a line does not fit the list", f"It needs {cells} words; take the data set's own file.")
        found.append(one)
    if not found:
        raise BadInput("a list names nothing", value=path.name, remedy="Take the data set's own file.")
    return found


def plain_path(line: Line, cell: int) -> str:
    """A cell that is a path within a folder. Raises BadInput for one that leads elsewhere."""
    name = line.cells[cell]
    if "\\" in name or name.startswith("/") or ".." in name.split("/"):
        raise line.wrong("a name leads out of the data folder", "Name files within it.")
    return name


@dataclass(frozen=True)
class Entry:
    """A picture that a list names. `path` is relative to the data folder.

    `line` is where it is named, `fact` what else is known of it.
    """

    line: Line
    path: str
    split: Split
    label: int
    fact: str = ""


@dataclass
class Listing:
    """What the lists of a data set say.

    Attributes:
        names: of the classes; labels of entries index them.
        ids: what the data calls them where people have other names; else ().
        lost: (what, reason) of pictures that are named and cannot be taken.
        fact: what `Entry.fact` is; "" for nothing.
    """

    names: tuple[str, ...]
    entries: list[Entry]
    ids: tuple[str, ...] = ()
    lost: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fact: str = ""


class ListedPictures:
    """What datasets with lists share. `validation` is the share of training pictures that is split off."""

    def __init__(self, root: Path, validation: float) -> None:
        self._root, self._validation = root.resolve(), validation

    # What a layout says

    def listing(self, progress: Progress) -> Listing:
        """The pictures that there are. Raises BadInput for lists that cannot be used."""
        raise NotImplementedError

    def belongs(self, numbers: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """As `Belongs`: which pixels of a mask are the object."""
        raise NotImplementedError

    def mask_file(self, path: str) -> Path:
        """Where the mask of a picture lies, if there is one."""
        raise NotImplementedError

    # The same for all

    def scan(self, seed: int, progress: Progress = silent) -> Scan:
        """Read the lists, look at all pictures they name, and split validation off. Ids are paths.

        Classes without a readable training picture are left out, and told.

        Raises:
            BadInput: a list that is missing or damaged, a picture that is named twice, no readable picture, fewer than
                two classes with training pictures, a class with too few of them to split.
        """
        listing = self.listing(progress)
        _check_once(listing.entries)
        wanted = [Wanted(entry.path, entry.split, entry.label, entry.path) for entry in listing.entries]
        masks = {entry.path: _there(self.mask_file(entry.path)) for entry in listing.entries}
        found = look(self._root, wanted, masks, grey=full_range, belongs=self.belongs, progress=progress)
        kept, left = _trained(found, listing.names)
        rows = [row | {"label": kept.index(row["label"])} for row in found.rows if row["label"] in kept]
        samples = sample_table({column: [row[column] for row in rows] for column in rows[0]})
        names = tuple(listing.names[label] for label in kept)
        part = max(1, round(self._validation * int((samples["split"] == "train").sum())))
        samples = take_split(samples, "validation", part, seed, names)
        moved = int((samples["split"] == "validation").sum())
        return Scan(
            samples,
            names,
            (*listing.lost, *found.problems),
            (
                *listing.notes,
                f"{moved:,} training pictures, the same share of each class, are for validation (seed {seed}); "
                "identical ones stay together.",
                *left,
                *_without_mask([path for path in samples["path"] if not masks[path]], len(samples)),
                *mask_notes(found),
                *picture_notes(found.infos),
                *contradiction_notes(samples),
            ),
            facts=_facts(listing, samples),
            class_ids=tuple(listing.ids[label] for label in kept) if listing.ids else (),
            near=near_twins(samples, hashes_of(samples, found.infos), progress),
        )

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        """Upright, RGB or L; reduced where it is very large."""
        return read_picture(file_inside(self._root, row["path"]), grey=full_range)

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """The object's mask; None where there is no file. An empty one says that nothing is there."""
        return united_mask(row, _there(*self.mask_files(row)), self.picture, self.belongs)

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """The file of the object's mask, present or not."""
        return [self.mask_file(str(row["path"]))]


def stem(path: str) -> str:
    """A path without its suffix."""
    return os.path.splitext(path)[0]


def _there(*files: Path) -> list[Path]:
    return [file for file in files if file.is_file()]


def _check_once(entries: Sequence[Entry]) -> None:
    seen: dict[str, Line] = {}
    for entry in entries:
        first = seen.setdefault(entry.path, entry.line)
        if first is not entry.line:
            raise entry.line.wrong("a picture is named twice", f"It stands in {first.place}, too: name it once.")


def _trained(found: Looked, names: tuple[str, ...]) -> tuple[list[int], list[str]]:
    """Labels of the classes that have a readable training picture, and what is told of the others."""
    kept = sorted({row["label"] for row in found.rows if row["split"] == "train"})
    if len(kept) < 2:
        value = listed([names[label] for label in kept]) or "none"
        remedy = "A classifier needs two or more; check that the pictures are unpacked as a whole."
        raise BadInput("fewer than two classes have a readable training picture", value=value, remedy=remedy)
    others = [name for label, name in enumerate(names) if label not in kept]
    if not others:
        return kept, []
    gone = Counter(row["label"] in kept for row in found.rows)[False]
    classes = counted(len(others), "class has", "classes have")
    pictures = f"left out, with {counted(gone, 'other picture')}" if gone else "left out"
    return kept, [
        f"{classes} no readable training picture and {'is' if len(others) == 1 else 'are'} {pictures}: "
        f"{listed(others)}."
    ]


def _without_mask(paths: Sequence[str], total: int) -> list[str]:
    if not paths:
        return []
    return [
        f"{len(paths):,} of {total:,} pictures have no mask file ({listed(paths)}): what reads masks passes them by."
    ]


def _facts(listing: Listing, samples: pd.DataFrame) -> pa.Table | None:
    if not listing.fact:
        return None
    import pyarrow as pa

    of = {entry.path: entry.fact for entry in listing.entries}
    return pa.table({listing.fact: [of[path] for path in samples["path"]]})
