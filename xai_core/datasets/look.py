"""Pictures of a data folder, looked at one by one: hashed, decoded, their masks read; and what is told of all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.errors import BadInput
from xai_core.lookalikes import BITS, near_pairs
from xai_core.pictures import (
    LARGEST_SIDE,
    SUFFIXES,
    WHITES,
    Belongs,
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
from xai_core.text import counted, listed
from xai_core.types import SPLITS, Progress, Split, silent

if TYPE_CHECKING:
    import pandas as pd

TURN = "turn pictures as EXIF says; false for a model whose loader took them as they lie in the file"
LARGEST, MOST_SIDE = "longer sides are reduced to so many pixels before anything else", 16384
"""What the parameters of data sets of files say that are handed on to `decode_picture`."""


class Decoding(Protocol):
    """Parameters that say how pictures of files are decoded: greys of more than 8 bits, upright or not, how large."""

    @property
    def black(self) -> float:
        """The grey value that becomes black."""

    @property
    def white(self) -> float:
        """The grey value that becomes white; 0 where nobody said."""

    @property
    def turn(self) -> bool:
        """Whether as EXIF says."""

    @property
    def largest_side(self) -> int:
        """In pixels."""


def grey_of(params: Decoding, otherwise: GreyRange) -> GreyRange:
    """The range that the parameters name, or the other."""
    return fixed_range(params.black, params.white) if params.white else otherwise


def decoded(params: Decoding, path: Path) -> Image.Image:
    """RGB or L; raises BadInput for what is no picture."""
    grey = grey_of(params, full_range)
    return read_picture(path, grey=grey, turn=params.turn, largest_side=params.largest_side)


_UNREAD = {
    "HEIC": (".heic", ".heif", ".hif"),
    "DICOM": (".dcm", ".dicom"),
    "cameras' raw files": (
        *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw"),
    ),
    "drawings and documents": (".svg", ".psd", ".ai", ".eps", ".pdf", ".xcf"),
    "slides and volumes": (".svs", ".ndpi", ".nii", ".mha", ".mhd", ".nrrd", ".czi", ".lif"),
    "videos": (".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"),
    "arrays": (".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".pt"),
    "archives": (".zip", ".gz", ".tar", ".tgz", ".7z", ".rar"),
}
_KIND = {suffix: kind for kind, suffixes in _UNREAD.items() for suffix in suffixes}


def not_read(path: Path) -> str | None:
    """Why a file is no picture that is read, by its name and, where that says nothing, its beginning; else None."""
    kind = _KIND.get(path.suffix.lower())
    if kind:
        return f"{kind}: not read; save pictures as JPEG or PNG"
    return None if path.suffix.lower() in SUFFIXES or holds_picture(path) else "no pictures"


@dataclass(frozen=True)
class Wanted:
    """A picture to look at: `path` is relative to the data folder, with `/`."""

    id: str
    split: Split
    label: int
    path: str


@dataclass(frozen=True)
class Checked:
    """One picture, looked at: its line of the table, or none, and what is to be told of it."""

    row: dict[str, Any] | None
    info: PictureInfo | None = None
    problems: tuple[tuple[str, str], ...] = ()
    empty_masks: tuple[str, ...] = ()
    resized_masks: tuple[str, ...] = ()


@dataclass
class Looked:
    """What was seen of all pictures together: lines of the sample table, and by path what is known of each."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    infos: dict[str, PictureInfo] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
    empty_masks: list[str] = field(default_factory=list)
    resized_masks: list[str] = field(default_factory=list)

    def add(self, one: Checked) -> None:
        """One more."""
        self.problems += one.problems
        self.empty_masks += one.empty_masks
        self.resized_masks += one.resized_masks
        if one.row is not None and one.info is not None:
            self.rows.append(one.row)
            self.infos[one.row["path"]] = one.info


def look(
    root: Path,
    wanted: Sequence[Wanted],
    masks: Mapping[str, Sequence[Path]],
    *,
    grey: GreyRange = own_range,
    turn: bool = True,
    largest_side: int = LARGEST_SIDE,
    belongs: Belongs | None = None,
    progress: Progress = silent,
) -> Looked:
    """Hash and decode all pictures of a folder, several at once, in the order given.

    Args:
        masks: files of the masks of each picture, by its path.
        grey: the range of greys with more than 8 bits.
        turn, largest_side: as of `decode_picture`.
        belongs: as of `read_mask`.

    Raises:
        BadInput: not one of them can be read; the first reason is given.
    """

    def one_of(each: Wanted) -> Checked:
        def inspect(stream: BinaryIO, name: str) -> PictureInfo:
            return inspect_picture(stream, name, grey=grey, turn=turn, largest_side=largest_side)

        return _one(root, each, masks.get(each.path, ()), inspect, belongs)

    found = Looked()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for done, one in enumerate(pool.map(one_of, wanted), 1):
                found.add(one)
                progress(done, len(wanted), "pictures")
        except BaseException:  # a cancelled scan does not wait for the pictures in the queue
            pool.shutdown(cancel_futures=True)
            raise
    if not found.rows:
        path, reason = found.problems[0]
        raise BadInput("no picture can be read", value=path, remedy=f"The first says: {reason.rstrip('.')}.")
    return found


def _one(
    root: Path,
    wanted: Wanted,
    masks: Sequence[Path],
    inspect: Callable[[BinaryIO, str], PictureInfo],
    belongs: Belongs | None,
) -> Checked:
    path, relative = root / wanted.path, wanted.path
    row: dict[str, Any] = {"id": wanted.id, "split": wanted.split, "label": wanted.label, "path": relative, "index": -1}
    try:
        with open_picture(path) as stream:
            row["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            info = inspect(stream, shown(path))
    except BadInput as error:
        return Checked(None, problems=((relative, str(error)),))
    row |= {"width": info.size[0], "height": info.size[1], "has_mask": False}
    try:
        parts = [read_mask(mask, info.size, belongs=belongs) for mask in masks]
        resized = tuple(shown(mask) for mask in masks if picture_size(mask) != info.full_size)
    except BadInput as error:
        return Checked(row, info, ((f"mask of {relative}", str(error)),))
    row["has_mask"] = bool(parts)
    empty = tuple(shown(mask) for mask, part in zip(masks, parts, strict=True) if not part.any())
    return Checked(row, info, empty_masks=empty, resized_masks=resized)


def file_inside(root: Path, relative: object) -> Path:
    """A sample's file, `root` without links. Raises BadInput for one that leads out of the folder: a sample table may
    come from anybody."""
    path = root / str(relative)
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise BadInput("not a file of this data folder", value=relative, remedy="Make the study anew.")
    return path


def near_twins(samples: pd.DataFrame, hashes: NDArray[np.uint8], progress: Progress = silent) -> NDArray[np.int64]:
    """Pairs of pictures of different splits that look nearly the same and are not identical: see `near_pairs`.

    Args:
        samples: the finished sample table.
        hashes: `(n, 32)`, of its pictures, in its order.
    """
    splits = np.array([SPLITS.index(split) for split in samples["split"]], np.int64)
    contents = np.unique(samples["sha256"].to_numpy(str), return_inverse=True)[1]
    return near_pairs(hashes, splits, contents, progress=progress)


def hashes_of(samples: pd.DataFrame, infos: Mapping[str, PictureInfo]) -> NDArray[np.uint8]:
    """`(n, 32)` perceptual hashes; `infos` is what is known of each picture, by its path."""
    found = b"".join(infos[path].look for path in samples["path"])
    return np.frombuffer(found, np.uint8).reshape(len(samples), BITS // 8)


def white_of(infos: Mapping[str, PictureInfo], black: float, white: float, dataset: str) -> tuple[float, list[str]]:
    """One white for all greys with more than 8 bits, 0 where there are none, and what is told of it.

    Args:
        black, white: as asked for; 0 where white is to be found.
        dataset: the key whose parameters they are.

    Raises:
        BadInput: some pictures have floats for greys and others whole numbers.
    """
    deep = {path: info for path, info in infos.items() if info.grey}
    if not deep:
        return white, []
    lows, highs = zip(*(info.grey for info in deep.values() if info.grey), strict=True)
    low, high = min(lows), max(highs)
    many = counted(len(deep), "picture has", "pictures have")
    told = f"{many} grey values of more than 8 bits, from {low:g} to {high:g} ({listed(list(deep))})"
    if white:
        cut = sum(low < black or high > white for low, high in zip(lows, highs, strict=True))
        return white, [
            f"{told}; as asked for, {black:g} is black and {white:g} is white, and "
            f"{counted(cut, 'picture has', 'pictures have')} values beyond, which are cut off."
        ]
    if len({info.floating for info in deep.values()}) > 1:
        remedy = f"Save them alike, or say which value is white: --set {dataset}.white=255."
        raise BadInput("grey values as floats and as whole numbers", value=listed(list(deep)), remedy=remedy)
    floating = next(iter(deep.values())).floating
    white = float(next(top for top in ((1, *WHITES) if floating else WHITES) if high <= top))
    bits = "" if floating else f", the most that {int(white).bit_length()} bits hold"
    dark = "" if float(np.median(highs)) > white / 8 else f" Most are nearly black then: set {dataset}.white."
    return white, [f"{told}; {white:g} is white in all of them{bits}.{dark}"]


def mask_notes(found: Looked) -> list[str]:
    """What is told of masks that are empty or of another size."""
    notes = []
    for masks, what in (
        (found.empty_masks, "empty: they say that no object is there"),
        (found.resized_masks, "of another size than their picture, and resized to it"),
    ):
        if masks:
            notes.append(f"{counted(len(masks), 'mask is', 'masks are')} {what} ({listed(masks)}).")
    return notes


def picture_notes(infos: Mapping[str, PictureInfo], dataset: str = "") -> list[str]:
    """What is told of pictures that are turned, reduced, nearly black, or have several frames.

    `dataset` is the key whose parameters say otherwise; "" where it has none for that.
    """
    turned = [path for path, info in infos.items() if info.turned]
    reduced = [path for path, info in infos.items() if info.size != info.full_size]
    dark = [path for path, info in infos.items() if info.dark]
    many = [path for path, info in infos.items() if info.frames > 1]
    notes = []
    if turned:
        otherwise = (
            f"; if the model's loader did not, make the study with --set {dataset}.turn=false" if dataset else ""
        )
        notes.append(
            f"{counted(len(turned), 'picture is', 'pictures are')} turned as EXIF says ({listed(turned)}){otherwise}."
        )
    if reduced:
        side = max(max(infos[path].size) for path in reduced)
        otherwise = f"; --set {dataset}.largest_side takes more" if dataset else ""
        notes.append(
            f"{counted(len(reduced), 'picture is', 'pictures are')} larger than {side} pixels, and reduced to that "
            f"({listed(reduced)}){otherwise}."
        )
    if dark:
        notes.append(
            f"{counted(len(dark), 'colour picture is', 'colour pictures are')} nearly black: 16 bits, of which the "
            f"highest two are not used; save as 8 bits ({listed(dark)})."
        )
    if many:
        notes.append(f"Of {counted(len(many), 'file')} with several frames the first is read ({listed(many)}).")
    return notes


def united_mask(
    row: Mapping[str, Any],
    files: Sequence[Path],
    picture: Callable[[Mapping[str, Any]], Image.Image],
    belongs: Belongs | None = None,
) -> NDArray[np.bool_] | None:
    """A sample's mask `(height, width)`, of all its files; None where there is none. An empty one: nothing is there.

    Args:
        row: of the sample table, or as much of it as there is while it is made.
        files: of the mask.
        picture: reads the sample's picture, whose size is asked for where the row does not tell it.
        belongs: as of `read_mask`.
    """
    if not files or not row.get("has_mask", True):
        return None
    size = (int(row["width"]), int(row["height"])) if "width" in row else picture(row).size
    return np.logical_or.reduce([read_mask(path, size, belongs=belongs) for path in files])
