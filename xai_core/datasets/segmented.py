"""What datasets of segmentation share: pictures in files, each with the class of every pixel, split so that twins stay
together.

Who reads such a layout says in `listing` which pictures there are and what their classes are called, and in `drawn`
what a picture's label map is; the rest is the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import Scan, sample_table
from xai_core.datasets.look import (
    LARGEST,
    MOST_SIDE,
    TURN,
    Looked,
    Wanted,
    file_inside,
    hashes_of,
    look,
    near_twins,
    picture_notes,
)
from xai_core.datasets.split_words import meant, said
from xai_core.datasets.twins import given_splits, make_splits, torn_notes
from xai_core.errors import BadInput
from xai_core.label_maps import IGNORE, MOST_CLASSES, LabelMap, dominant, has_background, objects, resized
from xai_core.params import param
from xai_core.pictures import LARGEST_SIDE, full_range, read_picture, same_shape
from xai_core.text import counted, listed
from xai_core.types import SPLITS, Progress, Split, silent

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image


_ANEW = "What the data say of splits is left aside: they are drawn from all pictures."


@dataclass(frozen=True)
class SegmentedParams:
    """What the data do not say themselves."""

    test: float = param(0.2, help="share split off for the test where the data hold none", low=0.01, high=0.8)
    validation: float = param(
        0.15,
        help="share of the training pictures split off for validation where the data hold none",
        low=0.01,
        high=0.8,
    )
    test_only: bool = param(False, help="nothing is trained here, all pictures are the test")
    anew: bool = param(False, help="splits are drawn from all pictures, whatever the data say of theirs")
    turn: bool = param(True, help=TURN)
    largest_side: int = param(LARGEST_SIDE, help=LARGEST, low=64, high=MOST_SIDE)


@dataclass
class Listing:
    """What a data folder says.

    Attributes:
        names: of the classes; the first is `background` where there is one.
        splits: by path of each picture its split; None where the data do not say.
        lost: (what, reason) of pictures that cannot be taken.
        kept: parameters that were found by looking.
    """

    names: tuple[str, ...]
    splits: Mapping[str, Split | None]
    lost: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kept: Mapping[str, Any] = field(default_factory=dict)


class SegmentedPictures:
    """What they share. Ids are paths from the data folder."""

    key = ""

    def __init__(self, root: Path, params: SegmentedParams) -> None:
        self._root, self._params = root.resolve(), params

    # What a layout says

    def listing(self) -> Listing:
        """The pictures that there are. Raises BadInput for data that cannot be used."""
        raise NotImplementedError

    def drawn(self, path: str) -> LabelMap:
        """The label map of a picture, in the size that it was drawn in. Raises BadInput."""
        raise NotImplementedError

    def drawn_notes(self) -> list[str]:
        """What is told of the label maps, once all of them were drawn."""
        return []

    # The same for all

    @cached_property
    def _listing(self) -> Listing:
        return self.listing()

    def scan(self, seed: int, progress: Progress = silent) -> Scan:
        """Look at all pictures, draw all label maps, and make the splits that are missing.

        Raises:
            BadInput: nothing usable, fewer than two classes or more than 255, too few pictures to split.
        """
        listing, params = self._listing, self._params
        said = dict.fromkeys(listing.splits) if params.anew else listing.splits
        splits = given_splits(said, params.test_only)
        order = sorted(splits, key=lambda path: (SPLITS.index(splits[path]), path))
        wanted = [Wanted(path, splits[path], 0, path) for path in order]
        turn, side = params.turn, params.largest_side
        found = look(self._root, wanted, {}, grey=full_range, turn=turn, largest_side=side, progress=progress)
        seen, fitted = self._label(found, progress)
        samples = sample_table({column: [row[column] for row in found.rows] for column in found.rows[0]})
        aside = [_ANEW] if params.anew and any(listing.splits.values()) else []
        notes = [*listing.notes, *self.drawn_notes(), *_fitted_notes(fitted), *aside]
        samples = make_splits(samples, notes, seed, test=params.test, validation=params.validation)
        notes += _class_notes(listing.names, samples, seen)
        notes += [*torn_notes(samples), *picture_notes(found.infos, self.key)]
        return Scan(
            samples,
            listing.names,
            (*listing.lost, *found.problems),
            tuple(notes),
            listing.kept,
            data=self._root,
            near=near_twins(samples, hashes_of(samples, found.infos), progress),
        )

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        """Upright, RGB or L; reduced where it is very large."""
        path, params = file_inside(self._root, row["path"]), self._params
        return read_picture(path, grey=full_range, turn=params.turn, largest_side=params.largest_side)

    def label_map(self, row: Mapping[str, Any]) -> LabelMap:
        """`(height, width)` class indices, 255 to ignore, on the picture's pixels.

        What was drawn in another size is brought to it as `label_maps.resized` says: so thin objects stay whole.

        Raises:
            BadInput: no such picture, or a label map that cannot be read or has another aspect ratio.
        """
        return self._fitted(row)[0]

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """Where objects are; None where there is none."""
        found = objects(self.label_map(row), self._background)
        return found if found.any() else None

    @property
    def _background(self) -> bool:
        return has_background(self._listing.names)

    def _fitted(self, row: Mapping[str, Any]) -> tuple[LabelMap, tuple[int, int]]:
        """The label map on the picture's pixels, and the width and height that it was drawn in."""
        size = (int(row["width"]), int(row["height"])) if "width" in row else self.picture(row).size
        drawn = self.drawn(str(row["path"]))
        high, wide = drawn.shape
        if not same_shape((wide, high), size):
            lying = f", or, if it lies on its side in its file, set {self.key}.turn=false"
            raise BadInput(
                "what is annotated has another aspect ratio than its picture",
                value=f"{wide}×{high} for {size[0]}×{size[1]}",
                remedy=f"Annotate the picture as it is{lying if same_shape((high, wide), size) else ''}.",
            )
        box = (0.0, 0.0, float(wide), float(high))
        return resized(drawn, box, size[1], size[0], self._background), (wide, high)

    def _label(self, found: Looked, progress: Progress) -> tuple[dict[str, NDArray[np.bool_]], list[str]]:
        """Give each line its label; a line whose label map cannot be drawn goes.

        Returns:
            By path which classes are seen in it, `(K,)`, and paths whose label map was drawn in another size.
        """
        rows, seen, other = list[dict[str, Any]](), dict[str, NDArray[np.bool_]](), list[str]()
        background, classes = self._background, len(self._listing.names)
        for done, row in enumerate(found.rows, 1):
            path = row["path"]
            try:
                label_map, size = self._fitted(row)
            except BadInput as error:
                found.problems.append((path, str(error)))
            else:
                row["label"] = dominant(label_map, background)
                row["has_mask"] = bool(objects(label_map, background).any())
                seen[path] = np.bincount(label_map.ravel(), minlength=IGNORE)[:classes] > 0
                other += [path] if size != found.infos[path].full_size else []
                rows.append(row)
            progress(done, len(found.rows), "label maps")
        found.rows[:] = rows
        if not rows:
            path, reason = found.problems[-1]
            raise BadInput("no picture has a usable label map", value=path, remedy=f"The last says: {reason}")
        return seen, other


def class_names(found: Sequence[str], remedy: str) -> tuple[str, ...]:
    """The names, each once. Raises BadInput where they are too few or too many; the remedy says what to do about it."""
    if len(set(found)) < 2:
        raise BadInput("fewer than two classes", value=listed(found) or "none", remedy=remedy)
    if len(found) > MOST_CLASSES:
        limit = f"A label map holds {MOST_CLASSES}: name those that count, --set KEY.classes=…"
        raise BadInput("too many classes", value=f"{len(found):,}", remedy=limit)
    return tuple(found)


def split_of_folders(path: str) -> Split | None:
    """The split that a folder of the path says, the innermost first: `train`, `val2017`, `Test_set`."""
    for part in reversed(PurePosixPath(path).parts[:-1]):
        words = said(part)
        if words and (not words[1] or words[1].isdigit()):
            return meant(words[0], [])
    return None


def _fitted_notes(paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    of = counted(len(paths), "picture is", "pictures are")
    return [
        f"{of} annotated in another size than the file's, and the label maps brought to the size that is read "
        f"({listed(paths)}); an object keeps every pixel of which it has a fourth."
    ]


def _class_notes(names: Sequence[str], samples: pd.DataFrame, seen: Mapping[str, NDArray[np.bool_]]) -> list[str]:
    """Which classes no picture, or none for training, shows; and how many pictures show no object."""
    notes, anywhere = [], np.logical_or.reduce([seen[path] for path in samples["path"]])
    trained = [seen[path] for path in samples.loc[samples["split"] == "train", "path"]]
    learned = np.logical_or.reduce(trained) if trained else anywhere
    for missing, where in ((~anywhere, "picture"), (anywhere & ~learned, "training picture")):
        lost = [name for name, gone in zip(names, missing, strict=True) if gone]
        if lost:
            notes.append(f"No {where} shows {counted(len(lost), 'class', 'classes')}: {listed(lost)}.")
    empty = samples.loc[~samples["has_mask"], "id"].tolist()
    if empty:
        notes.append(f"{counted(len(empty), 'picture shows', 'pictures show')} no object ({listed(empty)}).")
    return notes
