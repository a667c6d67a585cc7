"""More than 8 bits of grey. A file seldom says which value is white: 12-bit X-rays lie in 16-bit files.

A `GreyRange` decides; pictures of one set need one for all (`fixed_range`), or their contrast cannot be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.errors import BadInput

WHITES = (255, 1023, 4095, 16383, 65535)
"""The largest grey values of 8, 10, 12, 14 and 16 bits."""
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF tags

GreyRange = Callable[[NDArray[Any]], tuple[float, float]]
"""From the grey values of one picture with more than 8 bits: which value becomes black, and which white."""


def own_range(values: NDArray[Any]) -> tuple[float, float]:
    """Black is 0, white the smallest of WHITES (and of 1, for floats) that holds the picture's own values."""
    return 0.0, _smallest(values, WHITES)


def full_range(values: NDArray[Any]) -> tuple[float, float]:
    """16 bits by all they can hold: how studies are read that were made before they kept the range of their greys."""
    return 0.0, 65535.0 if values.dtype.itemsize == 2 else _smallest(values, (255, 65535))


def fixed_range(black: float, white: float) -> GreyRange:
    """The same range for every picture; what lies outside is cut off."""
    return lambda _: (black, white)


def is_deep(picture: Image.Image) -> bool:
    """Whether its greys have more than 8 bits."""
    return picture.mode == "F" or picture.mode.startswith("I")


def grey_values(picture: Image.Image) -> NDArray[Any] | None:
    """The grey values of a picture that 8 bits cannot hold as they are, else None."""
    tags = getattr(picture, "tag_v2", {})
    bits, kind = tags.get(_BITS), tags.get(_SAMPLE_FORMAT, (1,))
    if picture.mode == "L" and kind == (2,):
        return np.asarray(picture).view(np.int8)  # Pillow takes signed bytes for unsigned ones
    if picture.mode == "I" and bits == (32,) and kind == (1,):
        return np.asarray(picture).view(np.uint32)  # and unsigned words for signed ones
    return np.asarray(picture) if is_deep(picture) else None


def eight_bit_grey(picture: Image.Image, values: NDArray[Any], grey: GreyRange, name: str) -> Image.Image:
    """The picture of these greys with 8 bits. Raises BadInput for values that no range can be found for."""
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise BadInput("grey values that are not finite", value=name, remedy="Replace NaN and infinity by numbers.")
    black, white = grey(values)
    if grey in (own_range, full_range) and not (low >= 0 and high <= WHITES[-1]):
        remedy = "Say which value is black and which is white (parameters of the data set), or save it with 8 bits."
        raise BadInput(f"grey values outside 0 to {WHITES[-1]}", value=f"{name}, {low:g} to {high:g}", remedy=remedy)
    scaled = _scaled(values, black, white)
    # Pillow turns 8 bits of a TIFF whose 0 is white, and leaves more bits as they are
    return Image.fromarray(255 - scaled if getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == 0 else scaled)


def _scaled(values: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    if values.dtype.kind in "iu" and black == 0 and white in WHITES:
        shift = int(white).bit_length() - 8
        return (np.clip(values, 0, int(white)) >> shift).astype(np.uint8)
    cut = np.clip(values.astype(np.float64), black, white)
    result: NDArray[np.uint8] = ((cut - black) * (255 / (white - black))).round().astype(np.uint8)
    return result


def _smallest(values: NDArray[Any], whites: Sequence[int]) -> float:
    """The smallest white that holds all values; the largest where none does."""
    usual = (1, *whites) if values.dtype.kind == "f" else whites
    high = values.max()
    return float(next((white for white in usual if high <= white), usual[-1]))
