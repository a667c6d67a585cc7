"""Opens picture files that may be anything: what is no picture that can be read here is told with its true reason."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from xai_core.errors import BadInput, XaiError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What Pillow may try: no format that runs another program (EPS) and none that is rarely tested."""

_ENDINGS = "png apng jpg jpeg jpe jfif webp bmp dib gif tif tiff ppm pgm pbm pnm jp2 j2k avif"
SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split(" "))
"""Names that promise a picture, in lower case."""

MAX_MEGAPIXELS = 150.0

_LARGE_PIXELS = 32_000_000
_one_large_at_a_time = threading.Lock()
_PILLOW = re.compile(r"PIL\.")
_ORIENTATION, _TURNED, _LYING = 0x0112, range(2, 9), (5, 6, 7, 8)
_BITS, _BANDS, _SAMPLE_FORMAT = 258, 277, 339  # TIFF tags


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
def as_bad_input(name: str, max_megapixels: float) -> Iterator[None]:
    """Within, whatever Pillow raises of a file becomes BadInput; `name` is what errors call it."""
    silence_pillow()
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


def silence_pillow() -> None:
    """Keep Pillow's warnings of odd but readable files to ourselves."""
    # Pillow warns of odd but readable files. A filter for its modules alone, added once, is safe between threads,
    # which `warnings.catch_warnings` is not.
    if ("ignore", None, Warning, _PILLOW, 0) not in warnings.filters:
        warnings.filterwarnings("ignore", category=Warning, module=_PILLOW.pattern)


def opened(stream: BinaryIO, name: str, max_megapixels: float) -> Image.Image:
    """The picture, not yet decoded. Raises BadInput for an empty file, another kind, and more megapixels."""
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


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height once EXIF has turned it."""
    with suppress(Exception):  # damaged EXIF: the picture is as its pixels lie
        if picture.getexif().get(_ORIENTATION) in _LYING:
            return picture.height, picture.width
    return picture.size


def is_turned(picture: Image.Image) -> bool:
    """Whether EXIF says that it lies otherwise in the file than it is to be seen."""
    with suppress(Exception):  # damaged EXIF: the picture is as its pixels lie
        return picture.getexif().get(_ORIENTATION) in _TURNED
    return False


def raw_mode(picture: Image.Image) -> str:
    """How the pixels lie in the file, as Pillow calls it: `RGB;16B`, `I;12`, …; "" where it does not say."""
    tiles: Sequence[Any] = getattr(picture, "tile", ())
    options = tiles[0][3] if tiles else ""
    return str(options[0] if isinstance(options, tuple) and options else options)


def frames_in(stream: BinaryIO) -> int:
    """How many pictures a file holds, at least 1."""
    with suppress(Exception), Image.open(stream, formats=FORMATS) as picture:  # damage behind the first picture
        if picture.format not in ("JPEG", "MPO"):  # what a camera adds to its picture is a preview
            return int(getattr(picture, "n_frames", 1))
    return 1


def _too_large(value: str, limit: float) -> BadInput:
    return BadInput(
        "the picture is too large", value=value, remedy=f"Make it smaller than {limit:g} megapixels, or remove it."
    )


def room_for(picture: Image.Image) -> AbstractContextManager[object]:
    """Within, a large picture is alone: two at once might fill the memory."""
    return _one_large_at_a_time if picture.width * picture.height > _LARGE_PIXELS else nullcontext()


def upright(picture: Image.Image) -> Image.Image:
    """The picture itself, decoded, and turned as EXIF says."""
    picture.load()
    with suppress(Exception):  # damaged EXIF: the picture is as its pixels lie
        ImageOps.exif_transpose(picture, in_place=True)
    return picture
