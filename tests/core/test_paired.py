"""Comparisons of methods on the same samples: how often they err, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kendalltau

from xai_core.triage.intervals import bootstrap_mean, bootstrap_means
from xai_core.triage.paired import kendall, least_telling, rank_ranges, resampled_means, simultaneous

CASES, RESAMPLES = 200, 500
Noise = NDArray[np.float64]

KINDS: dict[str, Callable[[Noise], Noise]] = {
    "normal": lambda noise: noise,
    "a share": lambda noise: 1 / (1 + np.exp(-2 * noise)),
    "yes or no": lambda noise: (noise > 0.5).astype(float),
    "rarely yes": lambda noise: (noise > 2.5).astype(float),
    "skewed": lambda noise: np.exp(1.2 * noise),
}


def equal_methods(kind: str, n: int, case: int, *, methods: int = 5, metrics: int = 3) -> Noise:
    """`(n, methods, metrics)` values of methods none of which is better; samples differ in how hard they are."""
    rng = np.random.default_rng((case, n))
    return KINDS[kind](rng.normal(size=(n, 1, metrics)) + rng.normal(size=(n, methods, metrics)))


def pairs_of(values: Noise) -> Noise:
    pairs = combinations(range(values.shape[1]), 2)
    return np.concatenate([values[:, one] - values[:, other] for one, other in pairs], axis=1)


@pytest.mark.parametrize("n", [16, 60])
@pytest.mark.parametrize("kind", KINDS)
def test_equal_methods_are_rarely_called_different(kind: str, n: int) -> None:
    """In at most 5 % of tables is any of their 30 comparisons told apart."""
    told = [simultaneous(pairs_of(equal_methods(kind, n, case)), 0, RESAMPLES).sign.any() for case in range(CASES)]
    assert sum(told) <= 0.05 * CASES


def test_samples_that_lack_a_number_change_nothing_of_that() -> None:
    told = 0
    for case in range(CASES):
        values = pairs_of(equal_methods("normal", 60, case))
        values[np.random.default_rng(case).random(values.shape) < 0.3] = np.nan
        told += simultaneous(values, 0, RESAMPLES).sign.any()
    assert told <= 0.05 * CASES


def test_all_intervals_hold_the_true_difference_at_once() -> None:
    true, held = np.array([0.0, 0.2, -0.4, 1.0]), 0
    for case in range(CASES):
        skewed = np.random.default_rng(case).exponential(size=(2, 50, 4))
        told = simultaneous(true + skewed[0] - 2 * skewed[1] + 1, 0, RESAMPLES)
        held += bool(((told.low <= true) & (true <= told.high)).all())
    assert held >= 0.95 * CASES


def test_means_lie_in_their_intervals_as_often_as_is_said() -> None:
    held = 0
    for case in range(CASES):
        values = np.random.default_rng(case).beta(2, 3, 40)
        (told,) = bootstrap_means([values], seed=0)
        held += bool(told.low <= 2 / 5 <= told.high)
    assert 0.91 * CASES <= held <= 0.99 * CASES


def test_a_difference_that_is_there_is_found() -> None:
    values = equal_methods("normal", 100, 0, methods=4, metrics=2)
    values[:, 2] += 1.0
    told = simultaneous(pairs_of(values), 0)
    signs = told.sign.reshape(-1, 2)
    assert signs.T.tolist() == [[0, -1, 0, -1, 0, 1]] * 2
    assert (told.low < told.mean).all()
    assert (told.mean < told.high).all()
    assert simultaneous(np.zeros((50, 3)), 0).sign.tolist() == [0, 0, 0]
    assert simultaneous(np.ones((50, 3)), 0).sign.tolist() == [1, 1, 1]


def test_too_few_samples_say_nothing() -> None:
    """Were two methods equal, five samples would all prefer the same one in one case of sixteen."""
    assert least_telling(1) == 7
    told = simultaneous(np.ones((5, 1)), 0)
    assert told.sign.tolist() == [0]
    assert np.isnan(told.low).all()
    empty = simultaneous(np.full((5, 2), np.nan), 0)
    assert empty.n.tolist() == [0, 0]
    assert np.isnan(empty.mean).all()


def test_more_comparisons_make_wider_intervals() -> None:
    rng = np.random.default_rng(0)
    one, many = rng.normal(size=(60, 1)), rng.normal(size=(60, 40))
    alone, among = simultaneous(one, 0), simultaneous(np.concatenate([one, many], axis=1), 0)
    assert among.high[0] - among.low[0] > 1.2 * (alone.high[0] - alone.low[0])
    same = simultaneous(np.repeat(one, 40, axis=1), 0)
    np.testing.assert_allclose(same.low[0], alone.low[0], rtol=1e-6)


def test_ranks_part_only_where_methods_do() -> None:
    better = np.array([[0, 1, 1, 0], [-1, 0, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 0]])
    low, high = rank_ranges(better)
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == [(1, 2), (2, 4), (2, 4), (1, 4)]


def test_kendall_is_that_of_scipy_with_ties_and_nan_where_all_are_tied() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, (20, 7)).astype(float), rng.integers(0, 4, (20, 7)).astype(float)
    np.testing.assert_allclose(kendall(a, b), [kendalltau(*each).statistic for each in zip(a, b, strict=True)])
    assert np.isnan(kendall(np.zeros(3), np.arange(3.0)))


def test_means_of_many_groups_are_those_of_each_by_itself() -> None:
    rng = np.random.default_rng(0)
    groups = [rng.random(shape) for shape in ((30,), (12,), (30,), (30, 4), (2,), (0,))]
    for together, values in zip(bootstrap_means(groups, seed=5), groups, strict=True):
        alone = bootstrap_mean(values, seed=5)
        assert together.n == alone.n
        for name in ("value", "low", "high"):
            np.testing.assert_allclose(getattr(together, name), getattr(alone, name))


def test_samples_drawn_again_have_the_spread_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=(80, 2))
    values[:20, 1] = np.nan
    again = resampled_means(values, 0)
    spread = [values[:, 0].std() / np.sqrt(80), np.nanstd(values[:, 1]) / np.sqrt(60)]
    np.testing.assert_allclose(again.std(axis=0), spread, rtol=0.08)
