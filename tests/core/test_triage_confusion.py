"""Counts against scikit-learn, rates, cells, worst pairs, order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from xai_core.triage.confusion import cell_rows, confusion_counts, rates, similarity_order, worst_pairs

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=60)
LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 1, 1, 1, 0, 2])


def arrays(drawn: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(drawn, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(pairs)
def test_counts_are_scikit_learns(drawn):
    labels, predicted = arrays(drawn)
    counts = confusion_counts(labels, predicted, 5)
    expected = confusion_matrix(labels, predicted, labels=range(5)) if drawn else np.zeros((5, 5))
    np.testing.assert_array_equal(counts, expected)


@given(pairs)
def test_rates_sum_to_one_or_are_all_nan(drawn):
    counts = confusion_counts(*arrays(drawn), 5)
    for per, axis in (("true", 1), ("predicted", 0)):
        shares, total = rates(counts, per), counts.sum(axis=axis)
        np.testing.assert_allclose(shares.sum(axis=axis)[total > 0], 1)
        assert np.isnan(shares.sum(axis=axis)[total == 0]).all()


@given(pairs)
def test_worst_pairs_hold_every_mistake_once(drawn):
    counts = confusion_counts(*arrays(drawn), 5)
    table = worst_pairs(counts, list("abcde"), top=None)
    assert table["count"].sum() == counts.sum() - np.trace(counts)
    assert table["count"].is_monotonic_decreasing
    assert (table["true"] != table["predicted"]).all()
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()


@given(pairs)
def test_cells_partition_the_rows(drawn):
    labels, predicted = arrays(drawn)
    rows = np.arange(len(labels)) + 100
    cells = [cell_rows(rows, labels, predicted, (a, b)) for a in range(5) for b in range(5)]
    np.testing.assert_array_equal(np.sort(np.concatenate(cells)), rows)


def test_worst_pairs_name_and_measure_the_pair():
    first = worst_pairs(confusion_counts(LABELS, PREDICTED, 3), ["a", "b", "c"]).iloc[0]
    interval = binomtest(2, 3).proportion_ci(method="wilson")
    assert (first["true_name"], first["predicted_name"], first["count"], first["n"]) == ("a", "b", 2, 3)
    assert (first["low"], first["high"]) == pytest.approx((interval.low, interval.high))


def test_cell_rows_are_row_numbers():
    rows = np.array([10, 20, 30, 40, 50, 60])
    assert cell_rows(rows, LABELS, PREDICTED, (0, 1)).tolist() == [20, 30]


def test_counts_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="outside"):
        confusion_counts(np.array([3]), np.array([0]), 3)
    with pytest.raises(ValueError, match="predictions"):
        confusion_counts(LABELS, PREDICTED[:2], 3)


def test_similarity_order_puts_confused_classes_side_by_side():
    counts = 50 * np.eye(6, dtype=np.int64)
    for a, b in ((0, 3), (1, 4), (2, 5)):
        counts[a, b] = counts[b, a] = 20
    counts[3, 1] = counts[1, 3] = 5
    position = np.argsort(similarity_order(counts))
    assert all(abs(position[a] - position[b]) == 1 for a, b in ((0, 3), (1, 4), (2, 5), (3, 1)))


@given(pairs)
def test_similarity_order_is_a_permutation(drawn):
    order = similarity_order(confusion_counts(*arrays(drawn), 5))
    assert sorted(order) == list(range(5))


def test_similarity_order_without_mistakes_changes_nothing():
    assert similarity_order(np.eye(4, dtype=np.int64)).tolist() == [0, 1, 2, 3]
