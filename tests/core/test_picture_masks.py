"""Masks of every kind that a folder may hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core.picture_files import saved
from xai_core.errors import BadInput
from xai_core.pictures import (
    read_mask,
    read_picture,
)


def test_masks_hold_what_is_neither_black_nor_transparent(tmp_path: Path) -> None:
    truth = np.zeros((6, 8), bool)
    truth[2:4, 3:7] = True
    palette = Image.fromarray(truth.astype(np.uint8)).convert("P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    swapped = Image.fromarray((~truth).astype(np.uint8)).convert("P")
    swapped.putpalette([255, 255, 255, 0, 0, 0])
    rgba = Image.fromarray(np.dstack([np.full((6, 8, 3), 90, np.uint8), truth * np.uint8(255)]))
    for name, mask in {
        "bit.png": Image.fromarray(truth),
        "one.png": Image.fromarray(truth.astype(np.uint8)),
        "deep.png": Image.fromarray(truth.astype(np.uint16)),
        "float.tif": Image.fromarray(truth.astype(np.float32) / 10),
        "blue.png": Image.fromarray(np.dstack([truth * 0, truth * 0, truth * 1]).astype(np.uint8)),
        "palette.png": palette,
        "swapped.png": swapped,
        "alpha.png": rgba,
    }.items():
        found = read_mask(saved(mask, tmp_path / name), (8, 6))
        assert found.dtype == bool
        np.testing.assert_array_equal(found, truth, err_msg=name)


def test_a_jpeg_mask_ignores_the_blur_at_its_border(tmp_path: Path) -> None:
    truth = np.zeros((64, 64), bool)
    truth[10:40, 20:50] = True
    path = saved(Image.fromarray(truth.astype(np.uint8) * 255), tmp_path / "a.jpg", quality=60)
    np.testing.assert_array_equal(read_mask(path, (64, 64)), truth)


def test_a_mask_of_another_size_is_resized_without_inventing_values(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.kron(np.eye(2), np.ones((50, 50))).astype(np.uint8)), tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(path, (10, 10)), np.kron(np.eye(2), np.ones((5, 5))).astype(bool))


def test_a_mask_of_a_reduced_picture_fits_it(tmp_path: Path) -> None:
    size = (2000, 1333)
    reduced = read_picture(saved(Image.new("L", size), tmp_path / "a.png"))
    mask = read_mask(saved(Image.new("1", size, 1), tmp_path / "m.png"), reduced.size)
    assert mask.shape == (reduced.height, reduced.width)
    assert mask.all()


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = saved(Image.new("1", (30, 40), 1), tmp_path / "turned.png")
    with pytest.raises(BadInput, match=r"aspect ratio.*turned\.png, 30×40 for 40×30"):
        read_mask(path, (40, 30))
