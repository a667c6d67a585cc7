"""Boundary F1 against a slow writing with distance transforms, and stores that were written before it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from xai_core.boundaries import TOLERANCE, boundary_counts, dense_boundaries
from xai_core.label_maps import IGNORE
from xai_core.store.label_maps import LabelMapStore
from xai_core.triage.segments import bounded

CLASSES = 4


def blobs(seed: int, size: tuple[int, int]) -> np.ndarray:
    """A label map of a few boxes and some pixels to ignore."""
    draw = np.random.default_rng(seed)
    found = np.zeros(size, np.uint8)
    for label in draw.choice([1, 2, 3, IGNORE], 6):
        y, x = draw.integers(0, size[0]), draw.integers(0, size[1])
        found[y : y + draw.integers(1, size[0]), x : x + draw.integers(1, 40)] = label
    return found


def slowly(truth: np.ndarray, said: np.ndarray, one: int) -> tuple[int, int, int, int]:
    """Pixel by pixel, and the distance of every pixel to the nearest boundary pixel of the other."""
    high, wide = truth.shape
    unknown = (truth == IGNORE) | (said == IGNORE)
    edges = []
    for labels in (said, truth):
        edge = np.zeros(truth.shape, bool)
        for y, x in np.argwhere((labels == one) & ~unknown):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < high and 0 <= u < wide and not unknown[v, u] and labels[v, u] != one:
                    edge[y, x] = True
        edges.append(edge)
    near = TOLERANCE * (high**2 + wide**2) ** 0.5
    found = []
    for edge, other in (edges, edges[::-1]):
        distance = distance_transform_edt(~other) if other.any() else np.full(other.shape, np.inf)
        found += [int(edge.sum()), int((edge & (distance < near)).sum())]
    return found[0], found[1], found[2], found[3]


@given(st.integers(0, 2**32 - 1), st.integers(20, 90), st.integers(20, 240))
def test_boundaries_are_those_of_the_slow_writing(seed: int, high: int, wide: int) -> None:
    truth, said = blobs(seed, (high, wide)), blobs(seed + 1, (high, wide))
    fast = dense_boundaries(boundary_counts(truth, said), CLASSES)
    assert [tuple(row) for row in fast.tolist()] == [slowly(truth, said, one) for one in range(CLASSES)]


def test_a_boundary_is_found_within_the_tolerance_and_not_beyond() -> None:
    """On 300 × 400 pixels the tolerance is 3.75."""
    truth, near, far = (np.zeros((300, 400), np.uint8) for _ in range(3))
    truth[:, 200:], near[:, 203:], far[:, 204:] = 1, 1, 1
    one, other = (dense_boundaries(boundary_counts(truth, each), 2)[None] for each in (near, far))
    np.testing.assert_allclose(bounded(one, 0).f1.value, [1, 1])
    np.testing.assert_allclose(bounded(other, 0).f1.value, [0, 0])
    assert float(bounded(np.concatenate([one, other]), 0).mean_f1.value) == pytest.approx(0.5)


def test_a_class_without_a_boundary_is_not_counted_and_one_that_is_invented_counts_as_0() -> None:
    empty, said = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    said[10:20, 10:20] = 2
    found = bounded(np.stack([dense_boundaries(boundary_counts(empty, said), 3)] * 4), 0)
    np.testing.assert_allclose(found.f1.value, [0, np.nan, 0])
    assert float(found.mean_f1.value) == 0
    assert found.f1.n == 4
    assert np.isnan(bounded(np.zeros((0, 3, 4), np.int64), 0).f1.value).all()


def test_f1_is_of_all_pictures_together_with_an_interval_over_them() -> None:
    sums = np.array([[[10, 8, 20, 10]], [[30, 30, 10, 10]], [[5, 0, 5, 0]]])
    found = bounded(sums, 0)
    precision, recall = 38 / 45, 20 / 35
    assert float(found.f1.value[0]) == pytest.approx(2 * precision * recall / (precision + recall))
    assert 0 <= float(found.f1.low[0]) < float(found.f1.value[0]) < float(found.f1.high[0]) <= 1


def test_a_store_of_before_is_read_and_takes_what_came_later(tmp_path: Path) -> None:
    """As it was written before: without the column, and with checksums that know nothing of it."""
    identity = {"samples": "x"}
    store = LabelMapStore.at(tmp_path / "label_maps", identity, create=True)
    assert store is not None
    maps, counts = [np.full((4, 5), 1, np.uint8)] * 2, [np.array([[1, 1, 20]])] * 2
    store.put([0], maps[:1], counts[:1])
    with sqlite3.connect(tmp_path / "label_maps" / "index.sqlite") as index:
        index.execute("ALTER TABLE rows DROP COLUMN boundaries")
    ((kept, edges),) = [each for each in store.numbers([0]) if each is not None]
    assert kept.tolist() == [[1, 1, 20]]
    assert edges is None
    store.put([1], maps[1:], counts[1:], [np.array([[1, 2, 3, 4, 5]])])
    first, second = store.numbers([0, 1])
    assert first is not None
    assert first[1] is None
    assert second is not None
    assert second[1] is not None
    assert second[1].tolist() == [[1, 2, 3, 4, 5]]
    found = store.get(0)
    assert found is not None
    assert found.label_map.tolist() == maps[0].tolist()
