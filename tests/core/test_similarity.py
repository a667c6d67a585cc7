"""Similarities of maps against scipy and scikit-image, and where no similarity is defined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cosine
from scipy.stats import pearsonr, spearmanr
from skimage.metrics import structural_similarity

from xai_core.similarities import SIMILARITIES
from xai_core.types import Array

KEYS = SIMILARITIES.keys()


def maps(seed: int, count: int = 5, height: int = 9, width: int = 12) -> Array:
    return np.random.default_rng(seed).standard_normal((count, height, width)).astype(np.float32)


def compare(key: str, a: Array, b: Array) -> Array:
    return SIMILARITIES[key].compare(a, b)


def unit(one: Array) -> Array:
    return (np.abs(one) - np.abs(one).min()) / np.ptp(np.abs(one))


def hog_by_hand(one: Array) -> Array:
    """Dalal and Triggs' descriptor, pixel by pixel, for maps of up to 31 pixels: cells of 2, blocks of 3, L2-Hys."""
    high, wide = (length // 2 for length in one.shape)
    cells = np.zeros((high, wide, 9))
    for y, x in np.ndindex(high * 2, wide * 2):
        down = one[y + 1, x] - one[y - 1, x] if 0 < y < one.shape[0] - 1 else 0.0
        right = one[y, x + 1] - one[y, x - 1] if 0 < x < one.shape[1] - 1 else 0.0
        angle = np.rad2deg(np.arctan2(down, right)) % 180
        cells[y // 2, x // 2, int(angle // 20) % 9] += np.hypot(down, right) / 4
    blocks = [cells[y : y + 3, x : x + 3].ravel() for y, x in np.ndindex(high - 2, wide - 2)]
    clipped = [np.minimum(block / np.sqrt((block**2).sum() + 1e-10), 0.2) for block in blocks]
    return np.concatenate([block / np.sqrt((block**2).sum() + 1e-10) for block in clipped])


ORACLES = {
    "cosine": lambda a, b: 1 - cosine(a.ravel(), b.ravel()),
    "hog": lambda a, b: pearsonr(hog_by_hand(unit(a)), hog_by_hand(unit(b))).statistic,
    "spearman": lambda a, b: spearmanr(a.ravel(), b.ravel()).statistic,
    "spearman-absolute": lambda a, b: spearmanr(np.abs(a).ravel(), np.abs(b).ravel()).statistic,
    "pearson": lambda a, b: pearsonr(a.ravel(), b.ravel()).statistic,
    "ssim": lambda a, b: structural_similarity(unit(a), unit(b), data_range=1.0, win_size=7),
}


def test_every_similarity_has_an_oracle() -> None:
    assert set(KEYS) == set(ORACLES)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("tied", [False, True])
def test_equals_the_library_row_by_row(key: str, tied: bool) -> None:
    a, b = maps(1), maps(1) * 0.5 + maps(2)
    if tied:
        a, b = a.round(), b.round()
    found = compare(key, a, b)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [ORACLES[key](*pair) for pair in zip(a, b, strict=True)], atol=1e-5)


@pytest.mark.parametrize("key", KEYS)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3))
def test_equal_maps_score_one_in_any_scale_and_order_does_not_matter(key: str, seed: int, scale: float) -> None:
    a, b = maps(seed, 2), maps(seed + 1, 2)
    np.testing.assert_allclose(compare(key, a, a * np.float32(scale)), 1, atol=1e-5)
    np.testing.assert_allclose(compare(key, a, b), compare(key, b, a), atol=1e-6)


@pytest.mark.parametrize("key", KEYS)
def test_the_negative_map_is_the_opposite_only_where_sign_counts(key: str) -> None:
    expected = -1 if SIMILARITIES[key].card.signed else 1
    np.testing.assert_allclose(compare(key, maps(1), -maps(1)), expected, atol=1e-5)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, np.nan, np.inf])
def test_a_constant_or_broken_map_gives_nan_for_its_row_alone(key: str, value: float) -> None:
    a, b = maps(1), maps(2)
    expected = compare(key, a, b)
    a[1], b[3] = value, value
    found = compare(key, a, b)
    assert np.isnan(found).tolist() == [False, True, False, True, False]
    np.testing.assert_array_equal(found[[0, 2, 4]], expected[[0, 2, 4]])


@pytest.mark.parametrize("key", KEYS)
def test_one_broken_pixel_is_enough(key: str) -> None:
    a = maps(1)
    a[0, 0, 0] = np.nan
    assert np.isnan(compare(key, a, maps(2))).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("key", KEYS)
def test_a_map_without_magnitude_to_compare(key: str) -> None:
    """±1 everywhere: constant once its sign is dropped."""
    a = np.sign(maps(1))
    assert np.isnan(compare(key, a, maps(2))).all() == (not SIMILARITIES[key].card.signed)


@pytest.mark.parametrize(("side", "defined"), [(2, False), (3, True), (4, True), (8, True)])
def test_ssim_of_small_maps(side: int, defined: bool) -> None:
    found = compare("ssim", maps(1, 3, side, side + 1), maps(2, 3, side, side + 1))
    assert np.isfinite(found).all() == defined


@pytest.mark.parametrize(("side", "defined"), [(3, False), (4, True), (7, True), (40, True)])
def test_hog_of_small_and_large_maps(side: int, defined: bool) -> None:
    found = compare("hog", maps(1, 3, side, side + 1), maps(2, 3, side, side + 1))
    assert np.isfinite(found).all() == defined


@pytest.mark.parametrize("key", KEYS)
def test_shapes_must_match(key: str) -> None:
    with pytest.raises(ValueError, match="resize them"):
        compare(key, maps(1), maps(1)[:, :4])


@pytest.mark.parametrize("key", KEYS)
def test_no_maps_no_values(key: str) -> None:
    assert compare(key, maps(1)[:0], maps(1)[:0]).shape == (0,)
