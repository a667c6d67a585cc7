"""Pictures and masks from files that may be anything: huge, rotated, 16-bit, transparent, damaged, not pictures.

Whatever is wrong with a file ends as `BadInput`. What comes out is upright, `RGB` or `L`, without metadata, and never
larger than `largest_side`: models look at a few hundred pixels, and the dashboard shows a few hundred more.

A file with more than 8 bits of grey seldom says which value is white: 12-bit X-rays lie in 16-bit files. A `GreyRange`
decides; pictures of one set need one for all (`fixed_range`), or their contrast cannot be compared.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from xai_core.errors import BadInput, XaiError
from xai_core.lookalikes import perceptual_hash

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What Pillow may try: no format that runs another program (EPS) and none that is rarely tested."""

_ENDINGS = "png apng jpg jpeg jpe jfif webp bmp dib gif tif tiff ppm pgm pbm pnm jp2 j2k avif"
SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split(" "))
"""Names that promise a picture, in lower case."""

WHITES = (255, 1023, 4095, 16383, 65535)
"""The largest grey values of 8, 10, 12, 14 and 16 bits."""

LARGEST_SIDE = 1024
MAX_MEGAPIXELS = 150.0

_LARGE_PIXELS = 32_000_000
_one_large_at_a_time = threading.Lock()
_PILLOW = re.compile(r"PIL\.")
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)
_BITS, _PHOTOMETRIC, _BANDS, _SAMPLE_FORMAT = 258, 262, 277, 339  # TIFF tags

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


@dataclass(frozen=True)
class PictureInfo:
    """What is known of a picture beside its pixels.

    Attributes:
        size: width and height exactly as `read_picture` gives them.
        full_size: the same before the picture is reduced.
        grey: the smallest and the largest grey value, where there are more than 8 bits and the file does not say
            which value is white; else None.
        floating: those values are floats.
        dark: colours of 16 bits that stay below a fourth of what 16 bits hold: most likely 8 to 14 bits were meant.
        frames: how many pictures the file holds; the first is read.
        look: its perceptual hash, see `near`; b"" where nobody asked.
    """

    size: tuple[int, int]
    full_size: tuple[int, int]
    grey: tuple[float, float] | None = None
    floating: bool = False
    dark: bool = False
    frames: int = 1
    look: bytes = b""


def read_picture(
    path: Path,
    *,
    grey: GreyRange = own_range,
    max_megapixels: float = MAX_MEGAPIXELS,
    largest_side: int = LARGEST_SIDE,
) -> Image.Image:
    """The picture in a file: see `decode_picture`."""
    with open_picture(path) as stream:
        return decode_picture(stream, shown(path), grey=grey, max_megapixels=max_megapixels, largest_side=largest_side)


def picture_info(
    path: Path, *, max_megapixels: float = MAX_MEGAPIXELS, largest_side: int = LARGEST_SIDE
) -> tuple[int, int]:
    """Width and height exactly as `read_picture` gives them. Decodes everything, so that damage is found now."""
    return read_picture(path, max_megapixels=max_megapixels, largest_side=largest_side).size


def decode_picture(
    stream: BinaryIO,
    name: str,
    *,
    grey: GreyRange = own_range,
    max_megapixels: float = MAX_MEGAPIXELS,
    largest_side: int = LARGEST_SIDE,
) -> Image.Image:
    """The first frame of a picture, upright (EXIF), mode `RGB` or `L`, transparency laid on white.

    JPEG is reduced while decoding, others afterwards and one large picture at a time.

    Args:
        stream: the file, open and seekable.
        name: what errors call it.
        grey: the range of greys with more than 8 bits; by default that of the picture's own values.
        max_megapixels: larger pictures are refused before decoding.
        largest_side: longer sides are reduced to this many pixels, keeping the aspect ratio.

    Raises:
        BadInput: empty, of another format, damaged, cut short, too large, or with greys below 0, above 65535 or not
            finite (`fixed_range` cuts the first two off).
    """
    return _decoded(stream, name, grey, max_megapixels, largest_side)[0]


def inspect_picture(stream: BinaryIO, name: str, *, grey: GreyRange = own_range) -> PictureInfo:
    """What is known of a picture. Decodes everything, so that damage is found now; raises as `decode_picture`."""
    picture, info = _decoded(stream, name, grey, MAX_MEGAPIXELS, LARGEST_SIDE)
    stream.seek(0)
    return replace(info, frames=_frames(stream), look=perceptual_hash(picture))


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture, from its header alone. Raises BadInput for what is no picture."""
    with open_picture(path) as stream, _as_bad_input(shown(path), MAX_MEGAPIXELS):
        return _upright_size(_open(stream, shown(path), MAX_MEGAPIXELS))


def holds_picture(path: Path) -> bool:
    """Whether a file's beginning is that of a picture, whatever it is called.

    A TIFF is one only where the name has no suffix: cameras' raw files are TIFFs that begin with a thumbnail.
    """
    _silence_pillow()
    with suppress(Exception), open_picture(path) as stream, Image.open(stream, formats=FORMATS) as picture:
        return picture.format != "TIFF" or not path.suffix
    return False


def _decoded(
    stream: BinaryIO, name: str, grey: GreyRange, max_megapixels: float, largest_side: int
) -> tuple[Image.Image, PictureInfo]:
    with _as_bad_input(name, max_megapixels):
        picture = _open(stream, name, max_megapixels)
        raw_mode = _raw_mode(picture)
        with _room_for(picture):
            full_size = _upright_size(picture)
            picture.draft(None, (largest_side, largest_side))
            upright = _upright(picture)
            values = _grey_values(upright)
            dark = values is None and ";16" in raw_mode and _brightest(upright) < 64
            plain = _eight_bits(upright) if values is None else _grey(upright, values, grey, name)
            plain.thumbnail((largest_side, largest_side))
            result = _on_white(plain).copy()
    result.info = {}
    if values is None:
        return result, PictureInfo(result.size, full_size, dark=dark)
    extent = float(values.min()), float(values.max())
    return result, PictureInfo(result.size, full_size, extent, values.dtype.kind == "f")


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


def few_levels(path: Path) -> bool:
    """Whether a picture is of two greys, as masks are; in a JPEG, whether nearly all of it is black or white."""
    with suppress(BadInput), open_picture(path) as stream, _as_bad_input(shown(path), MAX_MEGAPIXELS):
        picture = _open(stream, shown(path), MAX_MEGAPIXELS)
        with _room_for(picture):
            if picture.format in ("JPEG", "MPO"):
                grey = np.asarray(picture.convert("L"))
                return bool(np.mean((grey < 32) | (grey > 223)) > 0.95)
            if _is_deep(picture):
                return len(np.unique(np.asarray(picture))) <= 2
            return picture.getcolors(2) is not None
    return False


def open_picture(path: Path) -> BufferedReader:
    """An open stream of a plain file; BadInput for what is missing, a folder, a device or not readable."""
    try:
        if path.is_dir():
            raise BadInput("this is a folder, not a picture", value=shown(path), remedy="Name a file in it.")
        if not path.is_file():
            raise BadInput("no such picture", value=shown(path), remedy="Check that the file is still there.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        remedy = f"Check that it can be opened: {error}."
        raise BadInput("the picture cannot be read", value=shown(path), remedy=remedy) from None


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
    try:
        picture = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        raise _unidentified(stream, name) from None
    if picture.width * picture.height > max_megapixels * 1e6:
        raise _too_large(f"{name}, {picture.width}×{picture.height}", max_megapixels)
    return picture


def _unidentified(stream: BinaryIO, name: str) -> BadInput:
    """The true reason: a TIFF or a HEIC file is a picture, though none that can be read here."""
    stream.seek(0)
    start = stream.read(132)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        value, remedy = f"{name}{_tiff_kind(stream)}", "Save it as grey or RGB with 8 or 16 bits."
        return BadInput("a TIFF of a kind that is not read", value=value, remedy=remedy)
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"heif", b"hevc", b"mif1", b"msf1"):
        return BadInput("HEIC pictures are not read", value=name, remedy="Save it as JPEG or PNG.")
    if start[128:132] == b"DICM":
        return BadInput("DICOM files are not read", value=name, remedy="Save the picture as PNG or TIFF.")
    return BadInput("not a picture", value=name, remedy=f"Use one of {', '.join(FORMATS)}.")


def _tiff_kind(stream: BinaryIO) -> str:
    with suppress(Exception):  # of a damaged TIFF nothing is known
        stream.seek(0)
        header = stream.read(8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(
            header + stream.read(8) if header[2:4].strip(b"\0") == b"+" else header
        )
        stream.seek(tags.next)
        tags.load(stream)
        bits, bands = tags.get(_BITS, (1,)), int(tags.get(_BANDS, 1))
        kind = {2: "signed ", 3: "floating-point "}.get(tags.get(_SAMPLE_FORMAT, (1,))[0], "")
        return f", {bands} band{'s' if bands > 1 else ''} of {bits[0]} {kind}bits"
    return ""


def _upright_size(picture: Image.Image) -> tuple[int, int]:
    with suppress(Exception):  # damaged EXIF: the picture is as its pixels lie
        if picture.getexif().get(_ORIENTATION) in _LYING:
            return picture.height, picture.width
    return picture.size


def _raw_mode(picture: Image.Image) -> str:
    """How the pixels lie in the file, as Pillow calls it: `RGB;16B`, `I;12`, …; "" where it does not say."""
    tiles: Sequence[Any] = getattr(picture, "tile", ())
    options = tiles[0][3] if tiles else ""
    return str(options[0] if isinstance(options, tuple) and options else options)


def _frames(stream: BinaryIO) -> int:
    with suppress(Exception), Image.open(stream, formats=FORMATS) as picture:  # damage behind the first picture
        if picture.format not in ("JPEG", "MPO"):  # what a camera adds to its picture is a preview
            return int(getattr(picture, "n_frames", 1))
    return 1


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


def _is_deep(picture: Image.Image) -> bool:
    return picture.mode == "F" or picture.mode.startswith("I")


def _brightest(picture: Image.Image) -> int:
    colours = picture.getextrema()[: 1 if picture.mode in ("LA", "La") else 3]
    return max(int(high) for _, high in colours)  # type: ignore[misc, arg-type]


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Mode L, RGB, LA or RGBA: all that can be resized smoothly and laid on white."""
    if picture.has_transparency_data:
        return _converted(picture, "LA" if picture.mode in ("LA", "La") else "RGBA")
    return _converted(picture, "L" if picture.mode in ("1", "L") else "RGB")


def _converted(picture: Image.Image, mode: str) -> Image.Image:
    return picture if picture.mode == mode else picture.convert(mode)


def _grey_values(picture: Image.Image) -> NDArray[Any] | None:
    """The grey values of a picture that 8 bits cannot hold as they are, else None."""
    tags = getattr(picture, "tag_v2", {})
    bits, kind = tags.get(_BITS), tags.get(_SAMPLE_FORMAT, (1,))
    if picture.mode == "L" and kind == (2,):
        return np.asarray(picture).view(np.int8)  # Pillow takes signed bytes for unsigned ones
    if picture.mode == "I" and bits == (32,) and kind == (1,):
        return np.asarray(picture).view(np.uint32)  # and unsigned words for signed ones
    return np.asarray(picture) if _is_deep(picture) else None


def _grey(picture: Image.Image, values: NDArray[Any], grey: GreyRange, name: str) -> Image.Image:
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


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode not in ("LA", "RGBA"):
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("L" if picture.mode == "LA" else "RGB")


def _object_pixels(picture: Image.Image, lossy: bool) -> NDArray[np.bool_]:
    if lossy:
        return np.asarray(picture.convert("L")) >= 128
    if _is_deep(picture):
        return np.asarray(picture) != 0
    colours = np.asarray(picture.convert("RGBA"))
    seen: NDArray[np.bool_] = colours[..., :3].any(axis=-1) & (colours[..., 3] > 0)
    return seen


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Equal aspect ratios, up to a pixel of rounding or 2 %, whichever side shows it more clearly."""
    wide = abs(one[0] * other[1] / one[1] - other[0]) <= 1 + 0.02 * other[0]
    high = abs(one[1] * other[0] / one[0] - other[1]) <= 1 + 0.02 * other[1]
    return wide or high
