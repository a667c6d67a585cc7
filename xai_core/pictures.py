"""Pictures and masks from files that may be anything: huge, rotated, 16-bit, transparent, damaged, not pictures.

Whatever is wrong with a file ends as `BadInput`. What comes out is upright, `RGB` or `L`, without metadata, and never
larger than `largest_side`: models look at a few hundred pixels, and the dashboard shows a few hundred more.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from xai_core.errors import BadInput, XaiError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""What Pillow may try: no format that runs another program (EPS) and none that is rarely tested."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
"""Names that promise a picture, in lower case."""

LARGEST_SIDE = 1024
MAX_MEGAPIXELS = 150.0

_LARGE_PIXELS = 32_000_000
_one_large_at_a_time = threading.Lock()
_PILLOW = re.compile(r"PIL\.")


def read_picture(
    path: Path, *, max_megapixels: float = MAX_MEGAPIXELS, largest_side: int = LARGEST_SIDE
) -> Image.Image:
    """The picture in a file: see `decode_picture`."""
    with open_picture(path) as stream:
        return decode_picture(stream, shown(path), max_megapixels=max_megapixels, largest_side=largest_side)


def picture_info(
    path: Path, *, max_megapixels: float = MAX_MEGAPIXELS, largest_side: int = LARGEST_SIDE
) -> tuple[int, int]:
    """Width and height exactly as `read_picture` gives them. Decodes everything, so that damage is found now."""
    return read_picture(path, max_megapixels=max_megapixels, largest_side=largest_side).size


def decode_picture(
    stream: BinaryIO, name: str, *, max_megapixels: float = MAX_MEGAPIXELS, largest_side: int = LARGEST_SIDE
) -> Image.Image:
    """The first frame of a picture, upright (EXIF), mode `RGB` or `L`, transparency laid on white.

    Greys of 16 bits are scaled by their range (65535 becomes 255); greys of 32-bit floats by the smallest of 1, 255
    and 65535 that holds them. JPEG is reduced while decoding, others afterwards and one large picture at a time.

    Args:
        stream: the file, open and seekable.
        name: what errors call it.
        max_megapixels: larger pictures are refused before decoding.
        largest_side: longer sides are reduced to this many pixels, keeping the aspect ratio.

    Raises:
        BadInput: empty, of another format, damaged, cut short, or too large.
    """
    with _as_bad_input(name, max_megapixels):
        picture = _open(stream, name, max_megapixels)
        with _room_for(picture):
            picture.draft(None, (largest_side, largest_side))
            plain = _eight_bits(_upright(picture))
            plain.thumbnail((largest_side, largest_side))
            result = _on_white(plain).copy()
    result.info = {}
    return result


def read_mask(path: Path, size: tuple[int, int], *, max_megapixels: float = MAX_MEGAPIXELS) -> NDArray[np.bool_]:
    """The object's pixels in a mask file, `(height, width)` for `size = (width, height)`.

    Every pixel that is neither black nor transparent belongs to the object; in a JPEG, which blurs the border, every
    pixel in the brighter half. A mask of another size is brought to `size` by its nearest pixels.

    Raises:
        BadInput: as `decode_picture`, or the mask has another aspect ratio than its picture.
    """
    name = shown(path)
    with open_picture(path) as stream, _as_bad_input(name, max_megapixels):
        picture = _open(stream, name, max_megapixels)
        with _room_for(picture):
            lossy = picture.format in ("JPEG", "MPO")
            found = Image.fromarray(_object_pixels(_upright(picture), lossy).astype(np.uint8))
    if not _same_shape(found.size, size):
        raise BadInput(
            "the mask has another aspect ratio than its picture",
            value=f"{name}, {found.width}×{found.height} for {size[0]}×{size[1]}",
            remedy="Draw the mask on the upright picture.",
        )
    return np.asarray(found.resize(size, Image.Resampling.NEAREST)).astype(bool)


def open_picture(path: Path) -> BufferedReader:
    """An open stream of a plain file; BadInput for what is missing, a folder, a device or not readable."""
    try:
        if path.is_dir():
            raise BadInput("this is a folder, not a picture", value=shown(path), remedy="Name a file in it.")
        if not path.is_file():
            raise BadInput("no such picture", value=shown(path), remedy="Check that the file is still there.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise BadInput("the picture cannot be read", value=shown(path), remedy=f"Mend this: {error}.") from None


def shown(path: Path) -> str:
    """The name of a file with its folder: enough to find it, without the machine's own paths."""
    return "/".join(path.parts[-2:]).encode("utf-8", "replace").decode()


@contextmanager
def _as_bad_input(name: str, max_megapixels: float) -> Iterator[None]:
    _silence_pillow()
    try:
        yield
    except XaiError:
        raise
    except Image.DecompressionBombError:
        # Pillow refuses by itself beyond twice its limit, before we know the size
        raise _too_large(name, min(max_megapixels, 2e-6 * (Image.MAX_IMAGE_PIXELS or 0))) from None
    except UnidentifiedImageError:
        raise BadInput("not a picture", value=name, remedy=f"Use one of {', '.join(FORMATS)}.") from None
    except Exception as error:  # on damaged bytes Pillow's decoders raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(
            "the picture is damaged or cannot be decoded", value=name, remedy=f"Replace or remove it ({reason})."
        ) from None


def _silence_pillow() -> None:
    # Pillow warns of odd but readable files. A filter for its modules alone, added once, is safe between threads,
    # which `warnings.catch_warnings` is not.
    if ("ignore", None, Warning, _PILLOW, 0) not in warnings.filters:
        warnings.filterwarnings("ignore", category=Warning, module=_PILLOW.pattern)


def _open(stream: BinaryIO, name: str, max_megapixels: float) -> Image.Image:
    if not stream.read(1):
        raise BadInput("the picture is empty", value=name, remedy="Replace or remove the file.")
    stream.seek(0)
    picture = Image.open(stream, formats=FORMATS)
    if picture.width * picture.height > max_megapixels * 1e6:
        raise _too_large(f"{name}, {picture.width}×{picture.height}", max_megapixels)
    return picture


def _too_large(value: str, limit: float) -> BadInput:
    return BadInput(
        "the picture is too large", value=value, remedy=f"Make it smaller than {limit:g} megapixels, or remove it."
    )


def _room_for(picture: Image.Image) -> AbstractContextManager[object]:
    return _one_large_at_a_time if picture.width * picture.height > _LARGE_PIXELS else nullcontext()


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    with suppress(Exception):  # damaged EXIF: the picture is as its pixels lie
        ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Mode L, RGB or RGBA: all that can be resized smoothly and laid on white."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _grey(np.asarray(picture))
    if picture.has_transparency_data:
        return _converted(picture, "LA" if picture.mode in ("LA", "La") else "RGBA")
    return _converted(picture, "L" if picture.mode in ("1", "L") else "RGB")


def _converted(picture: Image.Image, mode: str) -> Image.Image:
    return picture if picture.mode == mode else picture.convert(mode)


def _grey(values: NDArray) -> Image.Image:
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 65535):
        raise ValueError(f"grey values from {low} to {high} are outside 0 to 65535")
    if values.dtype.kind == "f":
        top = next(top for top in (1, 255, 65535) if high <= top)
        return Image.fromarray((values * (255 / top)).round().astype(np.uint8))
    return Image.fromarray((values >> 8).astype(np.uint8))


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode not in ("LA", "RGBA"):
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("L" if picture.mode == "LA" else "RGB")


def _object_pixels(picture: Image.Image, lossy: bool) -> NDArray[np.bool_]:
    if lossy:
        return np.asarray(picture.convert("L")) >= 128
    if picture.mode == "F" or picture.mode.startswith("I"):
        return np.asarray(picture) != 0
    colours = np.asarray(picture.convert("RGBA"))
    seen: NDArray[np.bool_] = colours[..., :3].any(axis=-1) & (colours[..., 3] > 0)
    return seen


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Equal aspect ratios, up to a pixel of rounding or 2 %, whichever side shows it more clearly."""
    wide = abs(one[0] * other[1] / one[1] - other[0]) <= 1 + 0.02 * other[0]
    high = abs(one[1] * other[0] / one[0] - other[1]) <= 1 + 0.02 * other[1]
    return wide or high
