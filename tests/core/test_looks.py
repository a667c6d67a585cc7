"""Cells, outlines and scales of maps whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from xai_core.drawing.sheet import Line, _wrapped, sheet, tile
from xai_core.triage.looks import LOOKS, MEANING, cell_sums, strongest_region
from xai_core.triage.normalise import PERCENTILE, limits, percentile_of, scale_in_words


@pytest.mark.parametrize("shape", [(96, 96), (224, 224), (28, 28), (7, 7), (1, 1), (13, 50), (8, 3)])
def test_cells_add_up_to_the_map(shape: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(3, *shape))
    cells = cell_sums(maps)
    assert cells.shape == (3, min(8, shape[0]), min(8, shape[1]))
    np.testing.assert_allclose(cells.sum(axis=(1, 2)), maps.sum(axis=(1, 2)), rtol=1e-4, atol=1e-3)


def test_a_cell_is_the_signed_sum_of_its_pixels() -> None:
    one = np.zeros((1, 16, 16))
    one[0, 0, 0], one[0, 1, 1], one[0, 15, 15] = 3, -1, -4
    cells = cell_sums(one)[0]
    assert (cells[0, 0], cells[7, 7]) == (2, -4)
    assert np.count_nonzero(cells) == 2


def test_a_pixel_on_a_border_counts_for_both_cells() -> None:
    np.testing.assert_allclose(cell_sums(np.array([[[1.0, 4, 1]]]), cells=2), [[[3, 3]]])


def test_cells_of_what_is_not_there() -> None:
    assert cell_sums(np.empty((2, 0, 0))).shape == (2, 0, 0)
    assert cell_sums(np.empty((0, 9, 9))).shape == (0, 8, 8)
    assert np.isnan(cell_sums(np.full((1, 9, 9), np.nan))).all()


@pytest.mark.parametrize("smoothed", [0, 2])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
def test_the_outline_encloses_the_stated_share(share: float, smoothed: float) -> None:
    heat = np.random.default_rng(1).normal(size=(40, 30))
    inside = strongest_region(heat, share, smoothed=smoothed)
    positive = np.maximum(heat, 0)
    assert positive[inside].sum() >= share * positive.sum() - 1e-9
    if not smoothed:  # and no smaller region does: without its weakest pixel it holds less
        held = np.sort(positive[inside])
        assert held[1:].sum() < share * positive.sum()


def test_the_outline_is_where_the_evidence_is() -> None:
    heat = np.full((50, 50), 0.001)
    heat[10:14, 30:34] = 1
    heat[40:, :10] = -5  # evidence against is no part of it
    inside = strongest_region(heat, smoothed=1)
    assert inside[11:13, 31:33].all()
    assert not inside[:, :25].any()
    assert not inside[25:].any()


@pytest.mark.parametrize("heat", [np.zeros((9, 9)), np.full((9, 9), -1.0), np.full((9, 9), np.nan), np.empty((0, 0))])
def test_no_evidence_has_no_outline(heat: np.ndarray) -> None:
    assert not strongest_region(heat).any()


def test_a_constant_map_is_outlined_as_a_whole() -> None:
    assert strongest_region(np.ones((9, 9))).all()  # no part of it is stronger


def test_pixel_maps_are_scaled_by_a_percentile_and_coarse_ones_by_their_maximum() -> None:
    fine = np.arange(1, 10001, dtype=float).reshape(1, 100, 100)
    scale = limits(fine, scaling="per image", percentile=percentile_of(fine))[0]
    assert (fine > scale).mean() == pytest.approx(1 - PERCENTILE / 100, abs=1e-3)
    coarse = fine[:, :7, :7]
    assert limits(coarse, scaling="per image", percentile=percentile_of(coarse))[0] == coarse.max()


def test_the_scale_of_odd_maps() -> None:
    def scale(one: np.ndarray) -> float:
        return float(limits(one[None], scaling="per image", percentile=PERCENTILE)[0])

    assert scale(np.full((30, 30), 2.0)) == 2
    assert scale(np.full((30, 30), -2.0)) == 2
    assert scale(np.zeros((30, 30))) == 0
    assert np.isnan(scale(np.full((30, 30), np.nan)))


def test_the_sentence_names_the_percentile() -> None:
    both, one = (scale_in_words("per image", fine=True, coarse=coarse) for coarse in (True, False))
    assert "99th percentile" in both
    assert "maximum" in both
    assert "at most 1 % of a map's pixels" in one
    assert "maximum" not in one
    assert "largest" in scale_in_words("shared", fine=True, coarse=True)
    assert scale_in_words("shared", fine=False, coarse=False) == ""
    assert list(LOOKS) == list(MEANING)


def test_a_sheet_has_no_sign_that_its_font_lacks_and_breaks_no_number() -> None:
    picture = Image.new("RGB", (28, 28), "grey")
    drawn, plain = (sheet([title], [Line("", tile(picture), [None])], "") for title in ("a × b", "a x b"))
    assert drawn.tobytes() == plain.tobytes()
    font = ImageFont.load_default(13)
    for width in range(40, 200, 8):
        assert not any(line.startswith("%") for line in _wrapped("at most 1 % of a map's pixels", font, width))
