"""Quality against scikit-learn and hand-made cases; orders of a gallery."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score

from xai_core.triage.intervals import mean_share, wilson
from xai_core.triage.ordering import SORTS, order_by, sort_scores
from xai_core.triage.quality import expected_calibration_error, per_class, quality, reliability


def sample(n: int = 200, classes: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(classes), n)
    return rng.integers(0, classes, n), probabilities.argmax(axis=1), probabilities


def test_quality_is_scikit_learns():
    labels, predicted, probabilities = sample()
    got = quality(labels, predicted, probabilities.max(axis=1), probabilities.shape[1])
    assert got.accuracy == np.mean(labels == predicted)
    assert got.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert got.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert got.errors + round(got.accuracy * got.n) == got.n


def test_a_class_without_samples_is_no_warning():
    got = quality(np.array([0, 0]), np.array([0, 1]), np.ones(2), 2)
    assert got.balanced_accuracy == 0.5


def test_no_samples_are_nan_not_zero():
    empty = np.empty(0, np.int64)
    got = quality(empty, empty, np.empty(0), 3)
    assert got.n == 0
    assert np.isnan([got.accuracy, got.low, got.macro_f1, got.calibration_error]).all()
    assert per_class(empty, empty, ["a", "b"])["recall"].isna().all()


def test_wilson_is_scipys():
    for k, n in ((0, 5), (5, 5), (5, 47), (1, 1000), (999, 1000)):
        expected = binomtest(k, n).proportion_ci(method="wilson")
        assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert np.isnan(wilson(0, 0)).all()


def test_the_interval_of_a_mean_of_shares_holds_the_truth() -> None:
    rng, truth, n = np.random.default_rng(0), np.array([0.95, 0.4, 0.8]), np.array([100, 6, 12])
    bounds = [mean_share(rng.binomial(n, truth), n, seed=0, draws=1000) for _ in range(300)]
    held = np.mean([low <= truth.mean() <= high for low, high in bounds])
    assert 0.92 <= held <= 0.99
    low, high = mean_share([3, 3], [3, 3], seed=0)
    assert low < 0.9 < high <= 1, "six right of six is not certain"
    assert mean_share([3, 3, 0], [3, 3, 0], seed=0) == (low, high), "a class without samples says nothing"
    assert np.isnan(mean_share([0], [0], seed=0)).all()


def test_per_class_tells_no_samples_from_none_right():
    table = per_class(np.array([0, 0, 1]), np.array([0, 1, 2]), ["a", "b", "c"])
    assert table["recall"].tolist()[:2] == [0.5, 0]
    assert np.isnan(table["recall"][2])
    assert table["precision"].tolist() == [1, 0, 0]
    assert table["errors"].tolist() == [1, 1, 0]


def test_calibration_error_by_hand():
    # Two samples at 0.9, one of them right; two at 0.6, both right: 0.5·|0.5 − 0.9| + 0.5·|1 − 0.6| = 0.4.
    confidence = np.array([0.9, 0.9, 0.6, 0.6])
    predicted = np.zeros(4, int)
    table = reliability(np.array([0, 1, 0, 0]), predicted, confidence)
    assert expected_calibration_error(table) == pytest.approx(0.4)
    assert table["n"].sum() == 4


def test_a_bin_holds_its_right_edge():
    table = reliability(np.zeros(2, int), np.zeros(2, int), np.array([1.0, 0.8]), bins=5)
    assert table["n"].tolist() == [0, 0, 0, 1, 1]


def test_a_calibrated_model_has_a_small_error():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, 20_000)
    labels = (rng.random(20_000) > confidence).astype(int)
    table = reliability(labels, np.zeros(20_000, int), confidence)
    assert expected_calibration_error(table) < 0.02


def test_predictions_without_probabilities_have_no_calibration():
    assert np.isnan(quality(np.array([0, 1]), np.array([0, 1]), np.full(2, np.nan), 2).calibration_error)


def test_sort_scores():
    said = SimpleNamespace(confidence=np.array([0.5, 0.4]), margin=np.array([0.2, 0]), loss=np.array([1, 2]))
    assert sort_scores("confidence", said).tolist() == [0.5, 0.4]
    assert sort_scores("margin", said).tolist() == [0.2, 0]
    assert sort_scores("loss", said).tolist() == [1, 2]
    assert all(len(sort_scores(by, said)) == 2 for by in SORTS)
    with pytest.raises(ValueError, match="cannot sort"):
        sort_scores("beauty", said)


@pytest.mark.parametrize(("descending", "expected"), [(True, [3, 0, 2, 1]), (False, [0, 2, 3, 1])])
def test_order_is_stable_and_puts_unknown_last(descending, expected):
    assert order_by(np.array([1, np.nan, 1, 2]), descending=descending).tolist() == expected
