"""The examples of docs/how-to/add-a-metric.md and add-a-similarity.md work as printed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from tests.core.test_metrics import UNSIGNED, given
from tests.how_to import example
from xai_core.metrics import METRICS, score
from xai_core.params import build
from xai_core.similarities import SIMILARITIES


def test_the_metric_of_the_page(tmp_path: Path) -> None:
    asked = given(3, shape=(16, 24))
    asked.maps[:] = -1.0
    asked.maps[0, 0] = asked.maps[1, 4:8, 4:8] = 1.0
    asked.maps[2] = 0.0
    with example("add-a-metric", METRICS, tmp_path) as member:
        found = score(member, replace(asked, explainer=UNSIGNED))
        assert found.values[:2].tolist() == [1.0, 0.0]
        assert found.reasons == (None, None, "the map is the same everywhere")
        wide = score(member, replace(asked, explainer=UNSIGNED), build(member.params, {"width": "0.4"}))
        assert wide.values[1] > 0.5
        noise = given(shape=(4, 6))
        again = score(member, replace(noise, maps=noise.maps * np.float32(7)))
        np.testing.assert_allclose(score(member, noise).values, again.values, rtol=1e-6)
    assert "border" not in METRICS


def test_the_similarity_of_the_page(tmp_path: Path) -> None:
    a, b = (np.random.default_rng(seed).standard_normal((4, 5, 6)).astype(np.float32) for seed in (0, 1))
    a[3] = 0.5
    with example("add-a-similarity", SIMILARITIES, tmp_path) as member:
        found = member.compare(a, b)
        expected = [kendalltau(x, y).statistic for x, y in zip(a[:3], b, strict=False)]
        np.testing.assert_allclose(found, [*expected, np.nan], rtol=1e-5)
        np.testing.assert_allclose(member.compare(a, -a)[:3], -1, rtol=1e-6)
        with pytest.raises(ValueError, match="resize"):
            member.compare(a, b[:, :2])
