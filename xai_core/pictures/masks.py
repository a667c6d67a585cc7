"""Masks of objects from files: which pixels belong to the object."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.errors import BadInput
from xai_core.pictures.greys import is_deep
from xai_core.pictures.opening import MAX_MEGAPIXELS, as_bad_input, open_picture, opened, room_for, shown, upright

Belongs = Callable[[NDArray[np.uint8]], NDArray[np.bool_]]
"""Of a mask's numbers, as `read_numbers` gives them, which belong to the object. May raise BadInput."""


def read_mask(
    path: Path, size: tuple[int, int], *, max_megapixels: float = MAX_MEGAPIXELS, belongs: Belongs | None = None
) -> NDArray[np.bool_]:
    """The object's pixels in a mask file, `(height, width)` for `size = (width, height)`.

    Every pixel that is neither black nor transparent belongs to the object; in a JPEG, which blurs the border, every
    pixel in the brighter half. Or `belongs` says so by the file's numbers. A mask of another size is brought to `size`
    by its nearest pixels.

    Raises:
        BadInput: as `decode_picture`, or the mask has another aspect ratio than its picture.
    """
    name = shown(path)
    if belongs is not None:
        found = Image.fromarray(belongs(read_numbers(path, max_megapixels=max_megapixels)).astype(np.uint8))
    else:
        with open_picture(path) as stream, as_bad_input(name, max_megapixels):
            picture = opened(stream, name, max_megapixels)
            with room_for(picture):
                lossy = picture.format in ("JPEG", "MPO")
                found = Image.fromarray(_object_pixels(upright(picture), lossy).astype(np.uint8))
    if not same_shape(found.size, size):
        raise BadInput(
            "the mask has another aspect ratio than its picture",
            value=f"{name}, {found.width}×{found.height} for {size[0]}×{size[1]}",
            remedy="Draw the mask on the upright picture.",
        )
    return np.asarray(found.resize(size, Image.Resampling.NEAREST)).astype(bool)


def read_numbers(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> NDArray[np.uint8]:
    """What a mask file holds at each pixel, `(height, width)`: greys, or the numbers of a palette's colours.

    Raises:
        BadInput: as `decode_picture`, or the file is a JPEG, in colour or has more than 8 bits, so that its numbers are
            not those that somebody wrote.
    """
    name = shown(path)
    with open_picture(path) as stream, as_bad_input(name, max_megapixels):
        picture = opened(stream, name, max_megapixels)
        with room_for(picture):
            if picture.format in ("JPEG", "MPO") or picture.mode not in ("1", "L", "LA", "P"):
                raise BadInput(
                    "the mask is not of plain numbers",
                    value=f"{name}, {picture.format} of mode {picture.mode}",
                    remedy="Take the data set's own file: a PNG of 8 bits, grey or with a palette.",
                )
            plain = upright(picture)
            return np.asarray(plain.getchannel(0) if plain.mode == "LA" else plain).astype(np.uint8)


def few_levels(path: Path) -> bool:
    """Whether a picture is of two greys, as masks are; in a JPEG, whether nearly all of it is black or white."""
    with suppress(BadInput), open_picture(path) as stream, as_bad_input(shown(path), MAX_MEGAPIXELS):
        picture = opened(stream, shown(path), MAX_MEGAPIXELS)
        with room_for(picture):
            if picture.format in ("JPEG", "MPO"):
                grey = np.asarray(picture.convert("L"))
                return bool(np.mean((grey < 32) | (grey > 223)) > 0.95)
            if is_deep(picture):
                return len(np.unique(np.asarray(picture))) <= 2
            return picture.getcolors(2) is not None
    return False


def _object_pixels(picture: Image.Image, lossy: bool) -> NDArray[np.bool_]:
    if lossy:
        return np.asarray(picture.convert("L")) >= 128
    if is_deep(picture):
        return np.asarray(picture) != 0
    colours = np.asarray(picture.convert("RGBA"))
    seen: NDArray[np.bool_] = colours[..., :3].any(axis=-1) & (colours[..., 3] > 0)
    return seen


def same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Equal aspect ratios, up to a pixel of rounding or 2 %, whichever side shows it more clearly."""
    wide = abs(one[0] * other[1] / one[1] - other[0]) <= 1 + 0.02 * other[0]
    high = abs(one[1] * other[0] / one[0] - other[1]) <= 1 + 0.02 * other[1]
    return wide or high
