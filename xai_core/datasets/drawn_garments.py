"""The folder of pictures that the project draws itself: drawn where missing, read, and drawn again part by part."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.archives import Packed
from xai_core.datasets.base import SAMPLE_COLUMNS, Parts, Scan
from xai_core.demo.art import CLASSES, Drawing
from xai_core.demo.drawing import (
    MASKS,
    PICTURES,
    RECORD,
    VERSION,
    GarmentParams,
    as_read,
    cue_facts,
    draw_folder,
    drawing,
    encode,
    mask_path,
    members,
    named,
    picture_path,
    render,
    without_each,
)
from xai_core.errors import BadInput, StorageFull
from xai_core.files import read_plain
from xai_core.params import identifying
from xai_core.pictures import decode_picture
from xai_core.types import Progress, Split, silent

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST_RECORD = 2**20
_SAME = 1.0
"""Mean difference in grey levels below which two pictures are one: their camera's grain alone is more."""


class DrawnGarments:
    """The drawn garments in a folder, a file each or in two archives. `scan` draws them where there is none."""

    def __init__(self, root: Path, params: GarmentParams) -> None:
        self._root, self._params = root, params
        self._pictures, self._masks = Packed(root, PICTURES), Packed(root, MASKS)

    def scan(self, seed: int, progress: Progress = silent) -> Scan:
        """The table of all pictures, which are drawn first where there are none.

        Raises:
            BadInput: the folder holds something else, or pictures drawn with other parameters.
            StorageFull: the disk has no room for them; nothing is left behind.
        """
        import pandas as pd

        if not self._root.exists() or (self._root.is_dir() and not any(self._root.iterdir())):
            self._draw_all(seed, progress)
        notes = self._check_record(seed)
        rows: list[dict[str, Any]] = []
        unreadable: list[tuple[str, str]] = []
        for split, label, number in members(self._params):
            path = picture_path(split, label, number)
            try:
                rows.append(self._row(path, split, label))
            except (OSError, BadInput) as error:
                unreadable.append((path, str(error)))
        if not rows:
            raise BadInput("no picture can be read", value=self._root, remedy="Empty the folder: they are drawn anew.")
        samples = pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS))
        return Scan(samples, CLASSES, tuple(unreadable), notes, facts=self._facts([row["path"] for row in rows]))

    def _facts(self, paths: Sequence[str]) -> pa.Table | None:
        """How the pictures were drawn, where that is what the study is about."""
        if self._params.cue == "none":
            return None
        import pyarrow as pa

        seed, _ = self._drawn_with
        found = [cue_facts(seed, *named(path), self._params) for path in paths]
        types = {"framing": pa.string(), "background": pa.string(), "cue holds": pa.bool_()}
        columns = {name: pa.array([one[name] for one in found], kind) for name, kind in types.items()}
        return pa.table({name: column for name, column in columns.items() if column.null_count < len(column)})

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        """The picture, mode RGB: read, or drawn again where its file is left out. Raises BadInput for a damaged one."""
        return _decoded(self._content, row["path"])

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """The garment's visible pixels, `(size, size)`, or None when it is gone. Raises BadInput for a damaged one."""
        path = mask_path(row["path"])
        return np.asarray(_decoded(self._masks.read, path)) > 0 if path in self._masks else None

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """The file that holds the mask: one for all, or its own."""
        return [self._masks.holder(mask_path(row["path"]))]

    def parts(self, row: Mapping[str, Any]) -> Parts:
        """The person's and the clothes' parts, each drawn away: see `xai_core.demo.art.parts`.

        The pictures without a part are encoded and decoded as the sample was. Raises BadInput where the picture is not
        the one that is drawn for its name: it was edited, or drawn by another version.
        """
        whole, (seed, _) = self.as_drawn(row), self._drawn_with
        without = without_each(seed, *named(row["path"]), self._params, tuple(whole.parts))
        return Parts(tuple(without), np.stack([whole.parts[name] for name in without]), list(without.values()))

    def as_drawn(self, row: Mapping[str, Any]) -> Drawing:
        """The sample's picture drawn again, with its parts. Raises BadInput where it is not the one in the folder."""
        seed, version = self._drawn_with
        try:
            whole = drawing(seed, *named(row["path"]), self._params)
            same = version == VERSION and _alike(self.picture(row), as_read(whole))
        except ValueError:
            same = False
        if not same:
            remedy = "Only of pictures as they were drawn the parts are known."
            raise BadInput("not the picture that is drawn for its name", value=row["path"], remedy=remedy)
        return whole

    def _content(self, path: str) -> bytes:
        """The picture's file, or what would be written in it where it was left out."""
        if path in self._pictures:
            return self._pictures.read(path)
        seed, version = self._drawn_with
        try:
            where = named(path)
        except ValueError:
            version = -1
        if version != VERSION:
            remedy = "Restore the file: only what this version draws can be drawn again."
            raise BadInput("a picture is gone", value=path, remedy=remedy)
        return encode(render(seed, *where, self._params)[0])

    @cached_property
    def _drawn_with(self) -> tuple[int, int]:
        """Seed and version. Raises BadInput where the record does not tell."""
        try:
            record = json.loads(read_plain(self._root / RECORD, _LARGEST_RECORD))
            return int(record["seed"]), int(record["version"])
        except (OSError, ValueError, KeyError, TypeError):
            remedy = "Restore the file: without it nothing can be drawn again."
            raise BadInput("damaged", value=f"{self._root.name}/{RECORD}", remedy=remedy) from None

    def _row(self, path: str, split: Split, label: int) -> dict[str, Any]:
        content = self._content(path)
        width, height = decode_picture(io.BytesIO(content), path).size
        return {
            "id": path, "split": split, "label": label, "path": path, "index": -1, "width": width, "height": height,
            "has_mask": mask_path(path) in self._masks, "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip

    def _check_record(self, seed: int) -> tuple[str, ...]:
        try:
            record = json.loads(read_plain(self._root / RECORD, _LARGEST_RECORD))
            same = record["params"] == identifying(self._params)
            drawn_with = int(record["seed"])
        except (OSError, ValueError, KeyError, TypeError):
            remedy = "Name an empty or new folder: the pictures are drawn there."
            raise BadInput("the folder holds no drawn garments", value=self._root, remedy=remedy) from None
        if not same:
            remedy = f"Name another folder, or use its parameters: {json.dumps(record['params'])}."
            raise BadInput("the folder holds garments drawn with other parameters", value=self._root, remedy=remedy)
        notes = [_framed(self._params)]
        if drawn_with != seed:
            notes.append(f"The pictures were drawn with seed {drawn_with}; they were read as they are.")
        return tuple(notes)

    def _draw_all(self, seed: int, progress: Progress) -> None:
        """Draw into a folder beside the final one, which takes its place only when everything is there."""
        try:
            self._root.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=f".{self._root.name}-drawing-", dir=self._root.parent))
            try:
                draw_folder(beside / "whole", seed, self._params, progress)
                if self._root.exists():
                    self._root.rmdir()
                os.replace(beside / "whole", self._root)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                what = "no room for the drawn garments"
                raise StorageFull(what, value=self._root, remedy="Free some space.") from error
            what = "cannot write the drawn garments"
            raise BadInput(what, value=self._root, remedy=f"Name another folder ({error}).") from error


def _framed(params: GarmentParams) -> str:
    """What tells more of a class than it should, on purpose."""
    if params.cue != "none":
        what = f"A shortcut ({params.cue}) holds for {params.cue_strength:.0%} of training and validation pictures"
        return f"{what}, and in the test it tells nothing."
    dresses, skirts = (f"{share:.0%}" for share in (params.tight_dresses, params.tight_skirts))
    return f"About {dresses} of dresses and {skirts} of skirts are framed tightly on the lower body, on purpose."


def _decoded(read: Callable[[str], bytes], path: str) -> Image.Image:
    try:
        return decode_picture(io.BytesIO(read(path)), path)
    except OSError as error:
        raise BadInput("cannot read a picture", value=path, remedy=f"Restore the file ({error}).") from error


def _alike(stored: Image.Image, drawn: Image.Image) -> bool:
    """The same picture, if perhaps compressed by another build of the library."""
    if stored.size != drawn.size:
        return False
    away = np.abs(np.asarray(stored.convert("RGB"), np.int16) - np.asarray(drawn, np.int16))
    return bool(away.mean() < _SAME)
