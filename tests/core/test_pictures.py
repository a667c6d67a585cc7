"""Pictures of every kind that a folder may hold, and files that are none."""

from __future__ import annotations

import io
import os
import warnings
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.core.picture_files import RAMP, colours, info_of, saved
from xai_core import pictures
from xai_core.errors import BadInput
from xai_core.pictures import (
    PictureInfo,
    decode_picture,
    holds_picture,
    picture_info,
    picture_size,
    read_mask,
    read_picture,
)


@pytest.mark.parametrize("suffix", ["png", "webp", "bmp", "tiff"])
def test_lossless_formats_come_back_as_they_were(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(colours(), tmp_path / f"a.{suffix}", **options)
    np.testing.assert_array_equal(np.asarray(read_picture(path)), np.asarray(colours()))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr"])
def test_every_mode_becomes_grey_or_rgb(tmp_path: Path, mode: str) -> None:
    picture = colours().convert("L").convert(mode) if mode in ("I;16", "I", "F") else colours().convert(mode)
    result = read_picture(saved(picture, tmp_path / ("a.png" if mode in ("1", "LA", "P", "RGBA") else "a.tif")))
    assert result.mode == ("L" if mode in ("1", "L", "LA", "I;16", "I", "F") else "RGB")
    assert result.size == (40, 30)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    clear.putpixel((1, 0), (255, 0, 0, 255))
    result = np.asarray(read_picture(saved(clear, tmp_path / "a.png")))
    assert result.tolist() == [[[255, 255, 255], [255, 0, 0]]]


def test_half_transparent_grey_stays_grey(tmp_path: Path) -> None:
    result = read_picture(saved(Image.new("LA", (3, 3), (0, 128)), tmp_path / "a.png"))
    assert result.mode == "L"
    assert result.getpixel((0, 0)) in (127, 128)


@pytest.mark.parametrize("transparency", [0, bytes([0, 255])])
def test_palette_transparency_is_laid_on_white(tmp_path: Path, transparency: int | bytes) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    path = saved(palette, tmp_path / "a.png", transparency=transparency)
    assert np.asarray(read_picture(path)).tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_cmyk_jpeg_keeps_its_colour(tmp_path: Path) -> None:
    result = read_picture(saved(Image.new("RGB", (16, 16), (250, 10, 10)).convert("CMYK"), tmp_path / "a.jpg"))
    red, green, blue = result.getpixel((8, 8))
    assert red > 230
    assert max(green, blue) < 40


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_rotated_pictures_come_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that undoes each orientation
    upright = Image.new("L", (48, 32))
    upright.paste(255, (0, 0, 16, 16))  # the upper left corner is white
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(stored, tmp_path / f"a.{suffix}", exif=exif)
    result = read_picture(path)
    assert result.size == picture_info(path) == (48, 32)
    assert np.abs(np.asarray(result.convert("L"), int) - np.asarray(upright, int)).max() < 30
    assert not result.info


def test_damaged_exif_does_not_hide_the_picture(tmp_path: Path) -> None:
    path = saved(colours(), tmp_path / "a.jpg", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01")
    assert read_picture(path).size == (40, 30)


@pytest.mark.parametrize("suffix", ["gif", "webp", "tiff", "png"])
def test_of_many_frames_the_first(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = saved(frames[0], tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    red, green, blue = read_picture(path).getpixel((4, 4))
    assert red > 200
    assert max(green, blue) < 50


def test_one_pixel(tmp_path: Path) -> None:
    assert read_picture(saved(Image.new("RGB", (1, 1), "red"), tmp_path / "a.png")).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("size", [(3000, 2000), (1025, 7), (12000, 1), (1024, 1024), (5, 5)])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_long_sides_are_reduced_and_info_agrees(tmp_path: Path, size: tuple[int, int], suffix: str) -> None:
    path = saved(Image.new("RGB", size, "green"), tmp_path / f"a.{suffix}")
    result = read_picture(path)
    assert picture_info(path) == result.size
    factor = min(1, 1024 / max(size))
    np.testing.assert_allclose(result.size, [max(1, side * factor) for side in size], atol=0.5)


def test_reduced_pictures_keep_their_content(tmp_path: Path) -> None:
    """Halves stay halves, in a palette and in 16 bits too, where Pillow alone would pick pixels or clip."""
    left = np.zeros((200, 4000), np.uint16)
    left[:, :2000] = 65535
    for name, picture in {
        "deep.png": Image.fromarray(left),
        "palette.gif": Image.fromarray((left >> 8).astype(np.uint8)).convert("P"),
        "bit.png": Image.fromarray((left >> 8).astype(np.uint8)).convert("1"),
    }.items():
        result = np.asarray(read_picture(saved(picture, tmp_path / name)).convert("L"))
        assert result[:, :500].min() > 250
        assert result[:, 524:].max() < 5


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_144_megapixels_are_reduced(tmp_path: Path, suffix: str) -> None:
    path = saved(Image.new("RGB", (12000, 12000), (200, 100, 50)), tmp_path / f"a.{suffix}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow warns above 89 megapixels
        result = read_picture(path)
    assert result.size == (1024, 1024)
    np.testing.assert_allclose(result.getpixel((500, 500)), (200, 100, 50), atol=3)


@pytest.mark.parametrize(("width", "height"), [(12_500, 12_500), (60_000, 60_000)])
def test_larger_pictures_are_refused_before_decoding(tmp_path: Path, width: int, height: int) -> None:
    """The header alone decides: also where Pillow itself would stop (beyond 179 megapixels)."""
    path = tmp_path / "huge.png"
    data = bytearray(saved(Image.new("1", (1, 1)), path).read_bytes())
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + data[24:29]
    data[12:29], data[29:33] = header, zlib.crc32(header).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"too large.*huge\.png.*150 megapixels"):
        read_picture(path)


def test_the_limit_is_a_parameter(tmp_path: Path) -> None:
    path = saved(Image.new("L", (1000, 1001)), tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"1000×1001.*1 megapixels"):
        read_picture(path, max_megapixels=1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "gif", "tiff"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_file_cut_short_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    whole = saved(noise, tmp_path / f"whole.{suffix}").read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    for read in (read_picture, picture_info, lambda p: read_mask(p, (300, 300))):
        with pytest.raises(BadInput, match=f"cut.{suffix}") as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"not a picture at all" * 50, b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0"]
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.png"):
        read_picture(path)


def test_formats_that_are_not_asked_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a picture"):
        read_picture(saved(colours(), tmp_path / "a.tga"))


def test_missing_files_folders_and_devices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    paths = [tmp_path / "gone.png", tmp_path, tmp_path / "pipe.png", tmp_path / ("x" * 5000), tmp_path / "a\0.png"]
    for path in [*paths, Path("/dev/zero")]:
        with pytest.raises(BadInput):
            read_picture(path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(colours(), tmp_path / "a.png")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadInput, match="cannot be read"):
        read_picture(path)


def test_an_upload_is_read_from_memory() -> None:
    stream = io.BytesIO()
    colours().save(stream, "PNG")
    stream.seek(0)
    assert decode_picture(stream, "upload").size == (40, 30)


WHOLE = {}
for _format in pictures.FORMATS:
    _stream = io.BytesIO()
    colours().save(_stream, _format)
    WHOLE[_format] = _stream.getvalue()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(pictures.FORMATS), st.data())
def test_no_damage_raises_anything_but_bad_input(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE[kind])
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    with suppress(BadInput):
        result = decode_picture(io.BytesIO(bytes(damaged)), "damaged", max_megapixels=1)
        assert result.mode in ("L", "RGB")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.zeros((8, 8, 5), np.uint8), "5 bands of 8 bits"),
        (np.zeros((8, 8), np.float64), "1 band of 64 floating-point bits"),
        (np.zeros((8, 8), np.uint64), "1 band of 64 bits"),
        (np.zeros((8, 8), np.float16), "1 band of 16 floating-point bits"),
    ],
)
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_that_is_not_read_is_called_one(tmp_path: Path, values: np.ndarray, kind: str, big: bool) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values, planarconfig="contig", bigtiff=big)
    with pytest.raises(BadInput, match=f"a TIFF of a kind that is not read: .*{kind}"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("start", "says"), [(b"\0\0\0\x18ftypheic", "HEIC"), (b"\0" * 128 + b"DICM", "DICOM"), (b"II*\0\xff\xff", "a TIFF")]
)
def test_what_is_not_read_is_called_by_its_name(tmp_path: Path, start: bytes, says: str) -> None:
    (tmp_path / "a.jpg").write_bytes(start + b"\0" * 99)
    with pytest.raises(BadInput, match=says):
        read_picture(tmp_path / "a.jpg")


def test_what_is_known_of_a_picture(tmp_path: Path) -> None:
    plain = info_of(saved(colours(), tmp_path / "a.png"))
    assert replace(plain, look=b"") == PictureInfo((40, 30), (40, 30))
    assert len(plain.look) == 32
    deep = info_of(saved(Image.fromarray(RAMP.astype(np.uint16) * 9 + 7), tmp_path / "deep.png"))
    assert (deep.grey, deep.floating) == ((7.0, 2302.0), False)
    frames = [Image.new("L", (4, 4), value) for value in (0, 100, 200)]
    for suffix in ("gif", "tif", "webp", "png"):
        path = saved(frames[0], tmp_path / f"f.{suffix}", save_all=True, append_images=frames[1:])
        assert info_of(path).frames == 3
        assert picture_size(path) == (4, 4)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(Image.new("L", (4000, 2000)), tmp_path / "t.jpg", exif=exif)
    assert (info_of(turned).size, info_of(turned).full_size) == ((512, 1024), (2000, 4000))
    assert picture_size(turned) == (2000, 4000)


def test_pictures_are_known_by_their_beginning(tmp_path: Path) -> None:
    assert holds_picture(saved(colours(), tmp_path / "a", format="JPEG"))
    assert holds_picture(saved(colours(), tmp_path / "tiff", format="TIFF"))
    assert not holds_picture(saved(colours(), tmp_path / "raw.dng", format="TIFF"))
    (tmp_path / "text").write_text("P1 is what this line begins with")
    os.mkfifo(tmp_path / "pipe")
    assert not any(map(holds_picture, [tmp_path / "text", tmp_path / "pipe", tmp_path / "gone", tmp_path]))
