"""Pictures from files: upright, `RGB` or `L`, without metadata, and never larger than `largest_side`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from xai_core.lookalikes import perceptual_hash
from xai_core.pictures.greys import GreyRange, eight_bit_grey, grey_values, own_range
from xai_core.pictures.opening import (
    FORMATS,
    MAX_MEGAPIXELS,
    as_bad_input,
    frames_in,
    is_turned,
    open_picture,
    opened,
    raw_mode,
    room_for,
    shown,
    silence_pillow,
    upright,
    upright_size,
)

LARGEST_SIDE = 1024


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
        turned: EXIF turned or mirrored it.
        look: its perceptual hash, see `near`; b"" where nobody asked.
    """

    size: tuple[int, int]
    full_size: tuple[int, int]
    grey: tuple[float, float] | None = None
    floating: bool = False
    dark: bool = False
    frames: int = 1
    look: bytes = b""
    turned: bool = False


def read_picture(
    path: Path,
    *,
    grey: GreyRange = own_range,
    max_megapixels: float = MAX_MEGAPIXELS,
    largest_side: int = LARGEST_SIDE,
    turn: bool = True,
) -> Image.Image:
    """The picture in a file: see `decode_picture`."""
    with open_picture(path) as stream:
        return _decoded(stream, shown(path), grey, max_megapixels, largest_side, turn)[0]


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
    turn: bool = True,
) -> Image.Image:
    """The first frame of a picture, upright (EXIF), mode `RGB` or `L`, transparency laid on white.

    JPEG is reduced while decoding, others afterwards and one large picture at a time.

    Args:
        stream: the file, open and seekable.
        name: what errors call it.
        grey: the range of greys with more than 8 bits; by default that of the picture's own values.
        max_megapixels: larger pictures are refused before decoding.
        largest_side: longer sides are reduced to this many pixels, keeping the aspect ratio.
        turn: as EXIF says; else the pixels as they lie in the file, which is how many loaders take them.

    Raises:
        BadInput: empty, of another format, damaged, cut short, too large, or with greys below 0, above 65535 or not
            finite (`fixed_range` cuts the first two off).
    """
    return _decoded(stream, name, grey, max_megapixels, largest_side, turn)[0]


def inspect_picture(
    stream: BinaryIO, name: str, *, grey: GreyRange = own_range, largest_side: int = LARGEST_SIDE, turn: bool = True
) -> PictureInfo:
    """What is known of a picture. Decodes everything, so that damage is found now; raises as `decode_picture`."""
    picture, info = _decoded(stream, name, grey, MAX_MEGAPIXELS, largest_side, turn)
    stream.seek(0)
    return replace(info, frames=frames_in(stream), look=perceptual_hash(picture))


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture, from its header alone. Raises BadInput for what is no picture."""
    with open_picture(path) as stream, as_bad_input(shown(path), MAX_MEGAPIXELS):
        return upright_size(opened(stream, shown(path), MAX_MEGAPIXELS))


def holds_picture(path: Path) -> bool:
    """Whether a file's beginning is that of a picture, whatever it is called.

    A TIFF is one only where the name has no suffix: cameras' raw files are TIFFs that begin with a thumbnail.
    """
    silence_pillow()
    with suppress(Exception), open_picture(path) as stream, Image.open(stream, formats=FORMATS) as picture:
        return picture.format != "TIFF" or not path.suffix
    return False


def _decoded(
    stream: BinaryIO, name: str, grey: GreyRange, max_megapixels: float, largest_side: int, turn: bool
) -> tuple[Image.Image, PictureInfo]:
    with as_bad_input(name, max_megapixels):
        picture = opened(stream, name, max_megapixels)
        mode = raw_mode(picture)
        with room_for(picture):
            turn = turn or picture.format == "TIFF"  # which Pillow turns for everybody
            full_size = upright_size(picture) if turn else picture.size
            turned = turn and is_turned(picture)
            picture.draft(None, (largest_side, largest_side))
            whole = upright(picture) if turn else picture
            values = grey_values(whole)
            dark = values is None and ";16" in mode and _brightest(whole) < 64
            plain = _eight_bits(whole) if values is None else eight_bit_grey(whole, values, grey, name)
            plain.thumbnail((largest_side, largest_side))
            result = _on_white(plain).copy()
    result.info = {}
    if values is None:
        return result, PictureInfo(result.size, full_size, dark=dark, turned=turned)
    extent = float(values.min()), float(values.max())
    return result, PictureInfo(result.size, full_size, extent, values.dtype.kind == "f", turned=turned)


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


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode not in ("LA", "RGBA"):
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("L" if picture.mode == "LA" else "RGB")
