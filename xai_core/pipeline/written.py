"""A data set that a program holds, such as a torch `Dataset`, written as a folder of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xai_core.errors import BadInput, BadParameter
from xai_core.store.files import new_folder
from xai_core.types import SPLITS

_EIGHT_BITS = {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"}
PLAIN = "Give the data set without its transform, so that it yields pictures as they are."


def write_pictures(data: Any, folder: Path, names: Sequence[str]) -> None:
    """Make the folder with a PNG per sample, by split and class; it appears as a whole or not at all.

    Args:
        data: yields `(picture, label)` by index; or such data sets by the name of their split. A picture is a PIL
            image, a uint8 array `(H, W)` or `(H, W, C)`, or a tensor `(C, H, W)`, uint8 or from 0 to 1. Labels
            index the classes.
        folder: must not be there.
        names: of the classes, see `names_of`.

    Raises:
        BadParameter: a split of another name, or a folder there.
        BadInput: something else than such pictures and labels.
    """
    parts = _parts(data)
    with new_folder(folder, "folder of pictures") as fresh:
        for split, samples in parts.items():
            _write(samples, fresh / split, names)


def names_of(data: Any, classes: Sequence[str] | None = None) -> tuple[str, ...]:
    """The names of the classes, in the order of the labels: those given, else what the data set calls `classes`.

    Raises BadParameter where they are not known, or cannot be folders and a list.
    """
    given = classes if classes is not None else getattr(next(iter(_parts(data).values()), None), "classes", None)
    if given is None:
        raise BadParameter("the names of the classes are not known", remedy='Give classes=("cat", "dog", …).')
    names = tuple(str(name) for name in given)
    bad = next((name for name in names if name in ("", ".", "..") or {"/", "\\", "\0", ","} & set(name)), None)
    if bad is not None or len({name.casefold() for name in names}) < len(names):
        remedy = "Give names that differ and hold neither slash nor comma: each class becomes a folder."
        raise BadParameter("classes that cannot be folders", value=bad or ", ".join(names), remedy=remedy)
    return names


def _parts(data: Any) -> Mapping[str, Any]:
    parts = data if isinstance(data, Mapping) else {"": data}
    if not set(parts) <= {"", *SPLITS}:
        raise BadParameter("not splits", value=", ".join(map(str, parts)), remedy=f"Name them {', '.join(SPLITS)}.")
    return parts


def _write(samples: Any, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).mkdir(parents=True)
    digits = len(str(len(samples)))
    for index in range(len(samples)):
        where = f"sample {index}"
        try:
            picture, label = samples[index][0], int(samples[index][1])
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise BadInput("not a picture with a label", value=f"{where}: {error}", remedy=PLAIN) from error
        if not 0 <= label < len(names):
            raise BadInput("a label of no class", value=f"{where}: {label}", remedy=f"Labels go to {len(names) - 1}.")
        _image(picture, where).save(folder / names[label] / f"{index:0{digits}d}.png")


def _image(picture: Any, where: str) -> Image.Image:
    """As a PIL image of 8 bits; raises BadInput for what is none."""
    if isinstance(picture, Image.Image):
        if picture.mode not in _EIGHT_BITS:
            raise BadInput("not a picture of 8 bits", value=f"{where}: mode {picture.mode}", remedy=PLAIN)
        return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    pixels = np.asarray(picture)
    if hasattr(picture, "detach") and pixels.ndim == 3:  # a tensor has its channels first
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
            raise BadInput("a picture is not on the scale from 0 to 1", value=where, remedy=PLAIN)
        pixels = np.round(pixels * 255).astype(np.uint8)
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    if pixels.dtype != np.uint8 or not pixels.size or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise BadInput("not a picture", value=f"{where}: {pixels.dtype}{list(pixels.shape)}", remedy=PLAIN)
    return Image.fromarray(pixels)
