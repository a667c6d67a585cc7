"""The randomisation check on maps whose answer is known."""

from __future__ import annotations

import numpy as np

from xai_core.sanity.check import check
from xai_core.similarities import SIMILARITIES


def test_maps_that_ignore_the_model_score_one_and_independent_ones_none() -> None:
    maps = np.random.default_rng(0).normal(size=(24, 12, 12)).astype(np.float32)
    same = {c.similarity: c for c in check(maps, maps)}
    assert set(same) == set(SIMILARITIES.keys())
    assert all(abs(c.median - 1) < 1e-6 for c in same.values())
    other = np.random.default_rng(1).normal(size=(24, 12, 12)).astype(np.float32)
    apart = {c.similarity: c for c in check(maps, other)}
    assert abs(apart["spearman"].median) < 0.1
    assert abs(apart["spearman"].null_median) < 0.1


def test_missing_and_constant_maps_are_counted_out() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    other = maps.copy()
    other[0], other[1] = np.nan, 0.0
    for result in check(maps, other):
        assert result.n == 1


def test_one_sample_has_no_null() -> None:
    maps = np.random.default_rng(0).normal(size=(1, 8, 8)).astype(np.float32)
    assert all(np.isnan(c.null_median) for c in check(maps, maps))
    assert all(np.isnan(c.median) for c in check(maps[:0], maps[:0]))
