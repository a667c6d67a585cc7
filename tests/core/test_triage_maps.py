"""Display scaling, means, profiles, centres, significance and resemblance on maps whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, ttest_ind

from xai_core.triage.aggregates import (
    centre_of_mass,
    centres_of_mass,
    comparable,
    mean_difference,
    mean_map,
    vertical_profile,
)
from xai_core.triage.intervals import bootstrap_mean
from xai_core.triage.normalise import display, limits
from xai_core.triage.resemblance import resemblance

RNG = np.random.default_rng(0)


def noisy(pattern: np.ndarray, n: int, noise: float = 0.1, seed: int = 0) -> np.ndarray:
    return pattern + noise * np.random.default_rng(seed).normal(size=(n, *pattern.shape))


TOP = np.repeat([[3.0], [2], [1], [0]], 4, axis=1)
BOTTOM = TOP[::-1]


def test_display_ranges():
    maps = np.array([[[-2.0, 4]], [[-1, 0.5]], [[0, 0]], [[np.nan, 1]]])
    np.testing.assert_allclose(display(maps, signed=False)[:3], [[[0, 1]], [[0, 1]], [[0, 0]]])
    np.testing.assert_allclose(display(maps, signed=True)[:3], [[[-0.5, 1]], [[-1, 0.5]], [[0, 0]]])
    np.testing.assert_allclose(display(maps, signed=True, scaling="shared")[1], [[-0.25, 0.125]])
    assert np.isnan(display(maps, signed=True)[3]).all()


def test_a_single_bright_pixel_does_not_darken_the_rest():
    maps = np.ones((1, 40, 40))
    maps[0, 0, 0] = 1000
    assert display(maps, signed=False, percentile=99.5)[0, 5, 5] == 1
    lone = np.zeros((1, 40, 40))
    lone[0, 3, 3] = 5
    assert limits(lone, scaling="per image", percentile=99.5)[0] == 5


def test_mean_map_per_image_counts_each_sample_alike():
    maps = np.stack([TOP, 100 * BOTTOM, np.full((4, 4), np.nan)])
    each = mean_map(maps, signed=False)
    np.testing.assert_allclose(each.values, (TOP + BOTTOM) / 6, rtol=1e-6)
    assert (each.n, each.left_out) == (2, 1)
    raw = mean_map(maps, signed=False, normalise="none")
    np.testing.assert_allclose(raw.values, (TOP + 100 * BOTTOM) / 2)


def test_mean_map_of_none():
    got = mean_map(np.empty((0, 4, 4)), signed=True)
    assert got.n == 0
    assert got.values.shape == (4, 4)
    assert np.isnan(got.values).all()
    assert vertical_profile(np.empty((0, 4, 4)), seed=0).value.shape == (4,)
    assert centre_of_mass(np.empty((0, 4, 4)), seed=0).n == 0


def test_profile_is_the_mean_of_each_row():
    profile = vertical_profile(noisy(TOP, 50), seed=0)
    assert profile.value == pytest.approx([3, 2, 1, 0], abs=0.05)
    assert ((profile.low < profile.value) & (profile.value < profile.high)).all()
    again = vertical_profile(noisy(TOP, 50), seed=0)
    np.testing.assert_array_equal(profile.low, again.low)


def test_profile_of_two_samples_has_no_interval():
    profile = vertical_profile(noisy(TOP, 2), seed=0)
    assert np.isfinite(profile.value).all()
    assert np.isnan(profile.low).all()


def test_centre_of_mass():
    point = np.zeros((3, 4, 8))
    point[0, 3, 0] = 2
    point[1, 0, 7] = -2
    np.testing.assert_allclose(centres_of_mass(point)[0], [3.5 / 4, 0.5 / 8])
    assert np.isnan(centres_of_mass(point)[1:]).all()
    np.testing.assert_allclose(centres_of_mass(point, mass="absolute")[1], [0.5 / 4, 7.5 / 8])
    assert centre_of_mass(point, seed=0).n == 1
    assert centre_of_mass(np.ones((5, 6, 6)), seed=0).value == pytest.approx([0.5, 0.5])


def test_bootstrap_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    columns = bootstrap_mean(rng.normal(size=(8, 2000)), seed=0, resamples=2000)
    covered = np.mean((columns.low <= 0) & (columns.high >= 0))
    assert 0.92 <= covered <= 0.98


def test_difference_finds_what_differs():
    first, second = noisy(TOP, 20, seed=1), noisy(BOTTOM, 30, seed=2)
    got = mean_difference(first, second, seed=0)
    np.testing.assert_allclose(got.values, TOP - BOTTOM, atol=0.2)
    assert got.significant.all()
    assert got.n == (20, 30)


def test_difference_of_one_pixel_is_the_welch_test():
    first, second = RNG.normal(size=(12, 1, 1)), RNG.normal(0.9, 1, size=(15, 1, 1))
    p = mean_difference(first, second, seed=0, permutations=9999).p[0, 0]
    assert p == pytest.approx(ttest_ind(first.ravel(), second.ravel(), equal_var=False).pvalue, abs=0.02)


def test_difference_without_a_cause_is_rarely_significant():
    rng = np.random.default_rng(3)
    hits = 0
    for seed in range(100):
        maps = rng.exponential(size=(25, 5, 5))
        hits += mean_difference(maps[:5], maps[5:], seed=seed, permutations=99).significant.any()
    assert hits <= 12


def test_difference_of_too_few_claims_nothing():
    got = mean_difference(noisy(TOP, 1), noisy(BOTTOM, 9), seed=0)
    assert not got.significant.any()
    assert np.isnan(got.p).all()
    assert np.isnan(mean_difference(np.empty((0, 4, 4)), TOP[None], seed=0).values).all()


def test_pixels_that_never_vary_are_not_significant():
    maps = np.zeros((10, 3, 3))
    assert not mean_difference(maps[:4], maps[4:], seed=0).significant.any()


def test_resemblance_says_which_class():
    got = resemblance(noisy(BOTTOM, 10, seed=3), noisy(TOP, 30, seed=1), noisy(BOTTOM, 12, seed=2), seed=0)
    assert got.low > 0
    assert got.p < 0.01
    assert (got.n, got.references, got.left_out) == (10, 12, 0)
    assert "predicted class than" in got.sentence
    other = resemblance(noisy(TOP, 10, seed=3), noisy(TOP, 30, seed=1), noisy(BOTTOM, 12, seed=2), seed=0)
    assert "true class than" in other.sentence


def test_resemblance_to_a_mean_is_pearsons():
    confused, true, predicted = noisy(BOTTOM, 5, 1, 3), noisy(TOP, 8, 1, 1), noisy(BOTTOM, 8, 1, 2)
    got = resemblance(confused, true, predicted, seed=0)
    unit = [(m - m.mean()) / np.linalg.norm(m - m.mean()) for m in true]
    assert got.to_true[2] == pytest.approx(pearsonr(confused[2].ravel(), np.mean(unit, axis=0).ravel()).statistic)
    others = np.mean([u for i, u in enumerate(unit) if i != 4], axis=0)
    assert got.true_own[4] == pytest.approx(pearsonr(true[4].ravel(), others.ravel()).statistic)


def test_resemblance_claims_nothing_between_equal_groups():
    groups = [noisy(TOP, n, 1, seed) for seed, n in enumerate((12, 60, 15))]
    assert "cannot be said" in resemblance(*groups, seed=0).sentence


def test_resemblance_with_few_or_flat_maps():
    few = resemblance(noisy(BOTTOM, 2), noisy(TOP, 9), noisy(BOTTOM, 9), seed=0)
    assert "Too few" in few.sentence
    flat = resemblance(np.zeros((3, 4, 4)), noisy(TOP, 9), noisy(BOTTOM, 9), seed=0)
    assert (flat.n, flat.left_out) == (0, 3)
    assert flat.sentence == "There are no maps to compare."
    assert resemblance(np.empty((0, 4, 4)), noisy(TOP, 9), np.empty((0, 4, 4)), seed=0).n == 0


def test_missing_maps_are_left_out():
    maps = noisy(TOP, 4)
    maps[1, 0, 0] = np.nan
    assert len(comparable(maps, signed=True, normalise="none")) == 3
