"""Label maps: made smaller without losing what is thin, and stored as they are."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from xai_core.errors import BadInput
from xai_core.label_maps import IGNORE, LabelMap, dominant, has_background, objects, resized
from xai_core.models.preprocess import Preprocess
from xai_core.store.label_maps import LabelMapStore

SIDE = 256
EIGHT = np.ones((3, 3), int)


def cable(degrees: float, width: float = 2.0, at: float = 0.0) -> LabelMap:
    """A straight cable of class 1 across the picture, some pixels wide."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5
    away = x * np.sin(np.radians(degrees)) - y * np.cos(np.radians(degrees)) + at
    return (np.abs(away) <= width / 2).astype(np.uint8)


def pieces(label_map: LabelMap) -> int:
    return int(ndimage.label(label_map == 1, EIGHT)[1])


def whole(side: int = SIDE) -> tuple[float, float, float, float]:
    return 0.0, 0.0, float(side), float(side)


@pytest.mark.parametrize("degrees", range(0, 180, 15))
@pytest.mark.parametrize("at", [0.0, 0.4, 1.3])
def test_a_cable_of_two_pixels_stays_whole_at_a_quarter_of_the_size(degrees: int, at: float) -> None:
    drawn = cable(degrees, at=at)
    assert pieces(drawn) == 1
    smaller = resized(drawn, whole(), SIDE // 4, SIDE // 4, background=True)
    assert pieces(smaller) == 1
    spans = np.ptp(np.nonzero(smaller), axis=1)
    assert spans.max() >= SIDE // 4 - 2


def test_nearest_neighbours_break_it() -> None:
    """What the rule is for: were this to hold too, nearest would do."""
    broken = [pieces(cable(degrees)[2::4, 2::4]) for degrees in range(0, 180, 15)]
    assert sum(number != 1 for number in broken) >= 4


def by_hand(label_map: LabelMap, factor: int, background: bool) -> LabelMap:
    """The rule, pixel by pixel, where each new pixel stands for a square of old ones."""
    high, wide = (side // factor for side in label_map.shape)
    found = np.zeros((high, wide), np.uint8)
    for y in range(high):
        for x in range(wide):
            block = label_map[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor].ravel().tolist()
            if block.count(IGNORE) * 2 >= len(block):
                found[y, x] = IGNORE
                continue
            classes = sorted({each for each in block if each != IGNORE and (each > 0 or not background)})
            counts = [block.count(each) for each in classes]
            if classes and (not background or sum(counts) * 4 >= len(block)):
                found[y, x] = classes[counts.index(max(counts))]
    return found


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4]), st.booleans())
def test_the_rule_by_hand(seed: int, factor: int, background: bool) -> None:
    draw = np.random.default_rng(seed)
    drawn = draw.choice(np.array([0, 1, 2, 3, IGNORE], np.uint8), (8, 16), p=[0.6, 0.15, 0.1, 0.05, 0.1])
    found = resized(drawn, (0, 0, 16, 8), 8 // factor, 16 // factor, background)
    np.testing.assert_array_equal(found, by_hand(drawn, factor, background))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_any_size_holds_only_classes_that_are_there(seed: int, height: int, width: int) -> None:
    drawn = np.random.default_rng(seed).integers(0, 4, (17, 23)).astype(np.uint8)
    found = resized(drawn, (0, 0, 23, 17), height, width, background=True)
    assert found.shape == (height, width)
    assert found.dtype == np.uint8
    assert set(found.ravel()) <= set(drawn.ravel()) | {0}
    np.testing.assert_array_equal(resized(drawn, (0, 0, 23, 17), 17, 23, background=True), drawn)


def test_larger_is_the_nearest_pixel() -> None:
    drawn = np.array([[0, 1], [2, IGNORE]], np.uint8)
    np.testing.assert_array_equal(resized(drawn, (0, 0, 2, 2), 4, 4, background=True), np.kron(drawn, np.ones((2, 2))))


def test_what_lies_beside_the_picture_is_ignored() -> None:
    prep = Preprocess(8, 8, 3, (0.5,) * 3, (0.5,) * 3, fit="pad")
    found = prep.label_map(np.ones((4, 8), np.uint8), background=True)
    np.testing.assert_array_equal(found[:2], IGNORE)
    np.testing.assert_array_equal(found[2:6], 1)
    np.testing.assert_array_equal(found[6:], IGNORE)


@pytest.mark.parametrize(("fit", "resize"), [("squash", None), ("crop", None), ("squash", 12), ("crop", 12)])
def test_labels_lie_on_the_pixels_of_the_picture(fit: str, resize: int | None) -> None:
    from PIL import Image

    drawn = np.zeros((40, 60), np.uint8)
    drawn[10:30, 22:38] = 1
    prep = Preprocess(8, 8, 1, (0.5,), (0.5,), fit=fit, resize=resize, interpolation="box")  # type: ignore[arg-type]
    seen = prep.pixels(Image.fromarray(drawn * 255))[..., 0] / 255
    found = prep.label_map(drawn, background=True)
    assert (found[seen > 0.5] == 1).all()
    assert (found[seen < 0.1] == 0).all()


def test_objects_and_what_there_is_most_of() -> None:
    drawn = np.array([[0, 0, 0, 0], [1, 2, 2, IGNORE]], np.uint8)
    assert objects(drawn, background=True).sum() == 3
    assert objects(drawn, background=False).sum() == 7
    assert dominant(drawn, background=True) == 2
    assert dominant(drawn, background=False) == 0
    assert dominant(np.full((2, 2), IGNORE, np.uint8), background=True) == 0
    assert has_background(("Background", "cable"))
    assert not has_background(("road", "background"))
    assert not has_background(())


def test_stored_label_maps_come_back_as_they_were(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    store = LabelMapStore.at(tmp_path / "maps", {"of": 1}, create=True)
    assert store is not None
    planes = [draw.integers(0, 5, (3 + at, 4)).astype(np.uint8) for at in range(5)]
    counts = [np.array([[0, 1, at]]) for at in range(5)]
    store.put(np.arange(5), planes, counts)
    store.put([2], [np.zeros((9, 9), np.uint8)])  # the first stays
    for row, plane in enumerate(planes):
        found = store.get(row)
        assert found is not None
        np.testing.assert_array_equal(found.label_map, plane)
        np.testing.assert_array_equal(found.counts, counts[row])
    assert store.get(7) is None
    assert [None if each is None else each[0, 2] for each in store.counts([4, 7, 0])] == [4, None, 0]
    before = store.digest()
    store.put([7], [planes[0]])
    assert store.digest() != before
    with pytest.raises(BadInput, match="another number"):
        store.put([1, 2], planes[:1])


def test_a_label_map_that_was_changed_counts_as_missing(tmp_path: Path) -> None:
    store = LabelMapStore.at(tmp_path / "maps", {}, create=True)
    assert store is not None
    store.put([0, 1], [np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)])
    with sqlite3.connect(store.path / "index.sqlite") as index:
        index.execute("UPDATE rows SET height = 2, width = 8 WHERE row = 0")
    assert store.get(0) is None
    assert store.state([0, 1], ["", ""]).tolist() == [0, 1]
    store.put([0], [np.zeros((4, 4), np.uint8)])
    assert store.get(0) is not None
