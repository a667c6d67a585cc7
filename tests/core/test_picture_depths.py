"""Greys and colours of more than 8 bits: scaled by a range, the same for all pictures, and never cut off unsaid."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.core.picture_files import RAMP, info_of, saved
from xai_core import pictures
from xai_core.errors import BadInput
from xai_core.pictures import (
    decode_picture,
    fixed_range,
    full_range,
    read_picture,
)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_by_their_range_not_clipped(tmp_path: Path, suffix: str) -> None:
    path = saved(Image.fromarray(RAMP.astype(np.uint16) * 257), tmp_path / f"deep.{suffix}")
    np.testing.assert_array_equal(np.asarray(read_picture(path)), RAMP)


def test_big_endian_sixteen_bits(tmp_path: Path) -> None:
    path = saved(
        Image.frombytes("I;16B", (256, 4), (RAMP.astype(">u2") * 257).astype(">u2").tobytes()), tmp_path / "a.tif"
    )
    np.testing.assert_array_equal(np.asarray(read_picture(path)), RAMP)


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_floats_are_scaled_by_the_smallest_range_that_holds_them(tmp_path: Path, top: float) -> None:
    path = saved(Image.fromarray((RAMP / 255 * top).astype(np.float32)), tmp_path / "a.tif")
    np.testing.assert_array_equal(np.asarray(read_picture(path)), RAMP)


@pytest.mark.parametrize("value", [-1.0, 1e6, float("nan"), float("inf")])
def test_floats_outside_any_range_are_refused(tmp_path: Path, value: float) -> None:
    path = saved(Image.fromarray(np.full((3, 3), value, np.float32)), tmp_path / "a.tif")
    with pytest.raises(BadInput, match=r"outside 0 to 65535|not finite"):
        read_picture(path)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.uint32, np.int16])
def test_greys_are_the_same_in_every_depth(tmp_path: Path, kind: type, bits: int) -> None:
    if bits == 16 and kind is np.int16:
        return
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, (RAMP.astype(np.int64) << (bits - 8)).astype(kind))
    np.testing.assert_array_equal(np.asarray(read_picture(path)), RAMP)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_where_white_is_zero(tmp_path: Path, kind: type) -> None:
    top = 1 if kind is np.float32 else np.iinfo(kind).max
    values = ((255 - RAMP) / 255 * top).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    np.testing.assert_array_equal(np.asarray(read_picture(tmp_path / "a.tif")), RAMP)


@given(st.sampled_from(pictures.WHITES), st.integers(0, 65535), st.integers(0, 65535))
def test_one_range_keeps_the_order_of_greys_between_pictures(white: int, one: int, other: int) -> None:
    low, high = sorted((min(one, white), min(other, white)))
    seen = []
    for value in (low, high):
        stream = io.BytesIO()
        Image.fromarray(np.full((1, 1), value, np.uint16)).save(stream, "PNG")
        stream.seek(0)
        seen.append(decode_picture(stream, "a", grey=fixed_range(0, white)).getpixel((0, 0)))
        assert abs(seen[-1] - value * 255 / white) <= 1
    assert seen[0] <= seen[1]


def test_a_window_cuts_off_what_is_beyond(tmp_path: Path) -> None:
    path = tmp_path / "ct.tif"
    tifffile.imwrite(path, np.array([[-1024, -160, 41, 240, 3071]], np.int16))
    with pytest.raises(BadInput, match=r"outside 0 to 65535: .*ct\.tif, -1024 to 3071.*black.*white"):
        read_picture(path)
    assert np.asarray(read_picture(path, grey=fixed_range(-160, 240))).tolist() == [[0, 0, 128, 255, 255]]


def test_full_range_reads_as_studies_of_before_did(tmp_path: Path) -> None:
    path = saved(Image.fromarray(RAMP.astype(np.uint16) << 4), tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(read_picture(path, grey=full_range)), RAMP >> 4)


def png16(values: np.ndarray) -> bytes:
    """`(H, W, 3)` uint16 as PNG, which Pillow cannot write."""
    height, width, _ = values.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = struct.pack(">2I5B", width, height, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(("bits", "dark"), [(12, True), (16, False)])
def test_colours_in_too_many_bits_are_noticed(tmp_path: Path, suffix: str, bits: int, dark: bool) -> None:
    values = np.stack([RAMP.astype(np.uint16) << (bits - 8)] * 3, -1)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(png16(values))
    if suffix == "tif":
        tifffile.imwrite(path, values, photometric="rgb")
    assert info_of(path).dark == dark
