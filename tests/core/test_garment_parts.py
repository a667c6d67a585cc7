"""A garment's picture drawn again without a part: the same in everything else, and every part where it is seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.datasets import DATASETS
from xai_core.demo.art import Change, Drawing
from xai_core.demo.art.canvas import BACKGROUND, Canvas
from xai_core.demo.art.parts import BODY, WITH
from xai_core.demo.bundle import bundled
from xai_core.demo.drawing import GarmentParams, drawing, encode, picture_path
from xai_core.params import build
from xai_core.types import Split

PARAMS = GarmentParams()
SAMPLES: list[tuple[Split, int, int]] = [("test", 0, 0), ("test", 0, 3), ("test", 1, 0), ("test", 3, 0), ("test", 4, 2)]
"""Of four classes: with and without jackets, belts and sleeves, framed tightly and in full."""
GARMENT = {0: ("top", "bottom"), 1: ("top",), 2: ("bottom",), 3: ("bottom",), 4: ("bottom",)}
Bool = NDArray[np.bool_]


@cache
def drawn(split: Split, label: int, number: int, change: Change | None = None) -> tuple[Drawing, dict[str, Bool]]:
    """A picture, and by part the pixels that any stroke or shadow of it changed; the background's those it shows at."""
    touched: dict[str, Bool] = defaultdict(lambda: np.zeros((PARAMS.size, PARAMS.size), bool))

    def watched(stroke: Callable[..., None]) -> Callable[..., None]:
        def paint(canvas: Canvas, *given: Any, **named: Any) -> None:
            before = canvas.rgb.copy()
            stroke(canvas, *given, **named)
            touched[canvas._part] |= (canvas.rgb != before).any(2)
            touched[BACKGROUND] = canvas.shares[BACKGROUND] > 0

        return paint

    strokes = {name: watched(getattr(Canvas, name)) for name in ("paint", "tint", "darken")}
    with patch.multiple(Canvas, **strokes):
        return drawing(0, split, label, number, PARAMS, change), dict(touched)


@pytest.mark.parametrize("where", SAMPLES, ids=str)
def test_parts_are_disjoint_but_for_what_goes_with_another_and_cover_the_picture(where: tuple[Split, int, int]) -> None:
    parts = drawn(*where)[0].parts
    within = {name for others in WITH.values() for name in others}
    alone = [mask for name, mask in parts.items() if name not in within]
    assert (np.sum(alone, axis=0) == 1).all()
    for name, others in WITH.items():
        for other in others:
            assert other not in parts or not (parts[other] & ~parts[name]).any(), f"{other} goes with {name}"
    assert all(mask.any() for mask in parts.values())


@pytest.mark.parametrize("where", SAMPLES, ids=str)
def test_the_labelled_garment_is_what_its_parts_are(where: tuple[Split, int, int]) -> None:
    one = drawn(*where)[0]
    union = np.any([one.parts[name] for name in GARMENT[where[1]] if name in one.parts], axis=0)
    differs = union != one.mask  # where three parts meet in a pixel, the largest may hold less than half of it
    edge = np.any([ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask) for mask in one.parts.values()], 0)
    assert not (differs & ~edge).any()
    assert differs.mean() < 0.005


@pytest.mark.parametrize("where", SAMPLES, ids=str)
def test_without_a_part_all_else_is_the_same_pixel_for_pixel(where: tuple[Split, int, int]) -> None:
    one, touched = drawn(*where)
    for name in set(one.parts) & set(WITH) - {BACKGROUND}:
        again, new = drawn(*where, Change(name))
        nothing = np.zeros_like(one.mask)
        its = [touched.get(each, nothing) for each in (name, *WITH[name])]
        if name == "jacket":  # the sleeves under it may be wider or longer than its own
            its.append(new.get("sleeves", nothing))
        np.testing.assert_array_equal(again.rgb[~np.any(its, axis=0)], one.rgb[~np.any(its, axis=0)], name)
        assert (again.rgb != one.rgb).any(2)[one.parts[name]].mean() > 0.5, f"{name} is still there"
        assert name not in again.parts
        assert again.framing == one.framing


@pytest.mark.parametrize("where", SAMPLES, ids=str)
def test_before_another_background_the_figure_stays(where: tuple[Split, int, int]) -> None:
    (one, touched), others = drawn(*where), [drawn(*where, Change(BACKGROUND, other))[0] for other in (1, 2)]
    for other in others:
        assert np.abs(other.rgb.astype(int) - one.rgb)[~touched[BACKGROUND]].max() <= 1, "rounding alone"
        assert (other.rgb != one.rgb).any(2)[one.parts[BACKGROUND]].mean() > 0.8
        for name, mask in other.parts.items():
            np.testing.assert_array_equal(mask, one.parts[name])
    assert (others[0].rgb != others[1].rgb).any()


def test_what_lies_behind_a_part_is_seen() -> None:
    dress = [drawn("test", 0, 3, Change(name))[0] for name in ("", "jacket", "top", "bottom")]
    assert "sleeves" not in dress[0].parts, "a jacket hides them"
    assert "sleeves" in dress[1].parts
    top = dress[0].parts["top"]
    assert dress[2].parts[BODY][ndimage.binary_erosion(top, iterations=2)].all()
    assert (dress[3].parts["legs"] & dress[0].parts["bottom"]).sum() > 50


def test_a_belt_leaves_a_band_of_the_garments_cloth() -> None:
    with_it, without = drawn("test", 0, 0)[0], drawn("test", 0, 0, Change("belt"))[0]
    assert without.parts["bottom"][with_it.parts["belt"]].all()
    np.testing.assert_array_equal(without.mask, with_it.mask)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_todays_pictures_are_the_bundled_ones_byte_by_byte(label: int) -> None:
    from PIL import Image

    study = bundled()
    params: Any = build(GarmentParams, study.info.dataset_params)
    path = picture_path("test", label, 7)
    row = study.samples["path"].tolist().index(path)
    made = encode(Image.fromarray(drawing(study.info.seed, "test", label, 7, params, Change()).rgb))
    dataset = DATASETS["garments"].make(study.data, params)
    assert made == dataset._pictures.read(path)  # type: ignore[attr-defined]
    assert study.samples["sha256"][row]


@pytest.mark.parametrize("part", ["nose", BODY, "Background"])
def test_what_is_no_part_cannot_be_drawn_away(part: str) -> None:
    with pytest.raises(ValueError, match="no part"):
        Change(part)
