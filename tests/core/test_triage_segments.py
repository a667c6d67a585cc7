"""Measures of segmenters against scikit-learn, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from xai_core.boundaries import boundary_counts, dense_boundaries
from xai_core.label_maps import IGNORE, dense, iou, sparse_confusion
from xai_core.triage.arms import arm_verdict
from xai_core.triage.intervals import resample_weights
from xai_core.triage.segments import (
    RESAMPLES,
    PixelSums,
    arms_changed,
    boundaries_changed,
    bounded,
    changed,
    pixel_sums,
    segmented,
    share_changed,
    sums_of,
)

CLASSES = 4


def drawn(seed: int, pictures: int = 5, wrong: float = 0.3) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Label maps of several sizes with pixels to ignore, and predictions that are right but for some pixels."""
    draw = np.random.default_rng(seed)
    truths, said = [], []
    for at in range(pictures):
        truth = draw.choice([0, 1, 2, IGNORE], (6 + at, 9), p=[0.5, 0.3, 0.1, 0.1]).astype(np.uint8)
        other = draw.integers(0, 3, truth.shape).astype(np.uint8)
        truths.append(truth)
        said.append(np.where((draw.random(truth.shape) < wrong) | (truth == IGNORE), other, truth).astype(np.uint8))
    return truths, said


def counts(truths: list[np.ndarray], said: list[np.ndarray]) -> list[np.ndarray]:
    return [sparse_confusion(one, other, CLASSES) for one, other in zip(truths, said, strict=True)]


@given(st.integers(0, 2**32 - 1))
def test_they_are_scikit_learns(seed: int) -> None:
    truths, said = drawn(seed)
    found = segmented(pixel_sums(counts(truths, said), CLASSES), seed=0)
    flat = np.concatenate([each.ravel() for each in truths]), np.concatenate([each.ravel() for each in said])
    known = flat[0] != IGNORE
    truth, predicted = flat[0][known], flat[1][known]
    there = sorted(set(truth) | set(predicted))
    options = {"labels": there, "average": None, "zero_division": 0}
    np.testing.assert_allclose(found.iou.value[there], jaccard_score(truth, predicted, **options))
    np.testing.assert_allclose(found.dice.value[there], f1_score(truth, predicted, **options))
    assert found.accuracy.value == pytest.approx(accuracy_score(truth, predicted))
    assert found.mean_iou.value == pytest.approx(found.iou.value[there].mean())
    assert np.isnan(np.delete(found.iou.value, there)).all()
    assert found.counted == len(there)
    matrix = sum(dense(each, CLASSES) for each in counts(truths, said))
    np.testing.assert_allclose(iou(matrix), found.iou.value)


def test_a_class_that_is_neither_there_nor_said_is_not_counted() -> None:
    truth, said = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    said[0] = 2  # said where it is not: counted, and 0
    found = segmented(pixel_sums(counts([truth] * 3, [said] * 3), CLASSES), seed=0)
    np.testing.assert_allclose(found.iou.value, [0.75, np.nan, 0.0, np.nan])
    assert found.pictures.tolist() == [3, 0, 3, 0]
    assert found.counted == 2
    assert found.mean_iou.value == pytest.approx(0.375)


def test_few_pictures_have_no_interval_and_none_at_all_no_value() -> None:
    found = segmented(pixel_sums(counts(*drawn(0, pictures=2)), CLASSES), seed=0)
    assert np.isfinite(found.mean_iou.value)
    assert np.isnan(found.mean_iou.low)
    nothing = segmented(pixel_sums([], CLASSES), seed=0)
    assert np.isnan(nothing.mean_iou.value)
    assert nothing.counted == 0


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Pictures of one population, whose mean IoU is known from very many of them."""
    truths, said = drawn(1, pictures=4000)
    whole = counts(truths, said)
    known = segmented(pixel_sums(whole, CLASSES), seed=0).iou.value
    draw, held = np.random.default_rng(3), np.zeros(CLASSES)
    for trial in range(60):
        some = [whole[at] for at in draw.choice(len(whole), 25, replace=False)]
        found = segmented(pixel_sums(some, CLASSES), seed=trial).iou
        held += (found.low <= known) & (known <= found.high)
    assert (held[:3] / 60 >= 0.85).all()


def test_a_change_is_judged_on_the_same_pictures() -> None:
    truths, worse = drawn(5, pictures=30, wrong=0.4)
    _, better = drawn(5, pictures=30, wrong=0.2)
    before, after = (pixel_sums(counts(truths, said), CLASSES) for said in (worse, better))
    found = changed(before, after, seed=0)
    assert found.mean_iou.low > 0
    assert found.mean_iou.value == pytest.approx(
        float(segmented(after, 0).mean_iou.value - segmented(before, 0).mean_iou.value)
    )
    same = changed(before, before, seed=0)
    assert same.mean_iou.low == same.mean_iou.high == 0
    with pytest.raises(ValueError, match="same pictures"):
        changed(before, pixel_sums(counts(*drawn(6, pictures=30)), CLASSES), seed=0)


def edges(truths: list[np.ndarray], said: list[np.ndarray]) -> np.ndarray:
    pairs = zip(truths, said, strict=True)
    return np.array([dense_boundaries(boundary_counts(one, other), CLASSES) for one, other in pairs])


def test_boundaries_change_by_the_difference_of_their_f1_and_many_need_wider_intervals() -> None:
    truths, worse = drawn(5, pictures=30, wrong=0.4)
    _, better = drawn(5, pictures=30, wrong=0.2)
    before, after = edges(truths, worse), edges(truths, better)
    alone, one_of_many = (boundaries_changed(before, after, 0, tried=tried) for tried in (1, 26))
    expected = bounded(after, 0).f1.value - bounded(before, 0).f1.value
    np.testing.assert_allclose(alone.f1.value, expected)
    np.testing.assert_allclose(one_of_many.f1.value, expected)
    known = np.isfinite(expected)
    assert (one_of_many.f1.low[known] < alone.f1.low[known]).all()
    assert (one_of_many.f1.high[known] > alone.f1.high[known]).all()
    assert one_of_many.mean_f1.low < alone.mean_f1.low
    same = boundaries_changed(before, before, 0, tried=26)
    assert same.mean_f1.low == same.mean_f1.high == 0


def test_a_share_changes_by_a_ratio_of_sums() -> None:
    draw = np.random.default_rng(3)
    of = draw.integers(50, 200, 25)
    before, after = of // 2, of // 4
    found = share_changed(before, after, of, seed=0)
    assert found.value == pytest.approx((after.sum() - before.sum()) / of.sum())
    assert found.low < found.value < found.high < 0
    assert np.isnan(share_changed(before * 0, after * 0, of * 0, seed=0).value)


def models(seed: int, wrong: float, seeds: int = 6, pictures: int = 12) -> list[PixelSums]:
    """Of several seeds' models on the same pictures, whose pixels are wrong independently."""
    truths, _ = drawn(0, pictures)
    found = []
    for number in range(seeds):
        draw = np.random.default_rng((seed, number))
        said = [np.where(draw.random(each.shape) < wrong, draw.integers(0, 3, each.shape), each) for each in truths]
        found.append(pixel_sums(counts(truths, [each.astype(np.uint8) for each in said]), CLASSES))
    return found


def test_arms_against_a_slow_writing() -> None:
    before, after = models(1, 0.5), models(2, 0.2)
    found = arms_changed(before, after, seed=3, tried=4)
    assert [change.n for change in found] == [12, 12, 12, 0, 12], "one class is not there; the mean comes last"
    assert found[1].before == pytest.approx([segmented(each, 0).iou.value[1] for each in before])
    assert found[-1].after == pytest.approx([np.mean(segmented(each, 0).iou.value[:3]) for each in after])
    weights = resample_weights(12, RESAMPLES, np.random.default_rng(3))
    moved = np.zeros(200)
    for at in range(200):
        for sign, arm in ((1, after), (-1, before)):
            for each in arm:
                hit, truth, said = (weights[at] @ values[:, 1] for values in (each.hit, each.truth, each.said))
                moved[at] += sign * hit / (truth + said - hit) / 6
    parts = [moved.var(ddof=1) * 12 / 11, np.var(found[1].before, ddof=1) / 6, np.var(found[1].after, ddof=1) / 6]
    half = (found[1].high - found[1].low) / 2
    assert half == pytest.approx(2.8 * np.sqrt(sum(parts)), rel=0.35), "some 2.7 to 3.5 errors at 98.75 %"
    assert found[1].level == pytest.approx(1 - 0.05 / 4)
    assert found[1].sure
    assert arm_verdict(found[1], "IoU").kind == "better"


def test_equal_arms_claim_nothing_and_few_seeds_never() -> None:
    same = arms_changed(models(1, 0.4), models(2, 0.4), seed=0)
    assert not any(change.sure for change in same)
    few = arms_changed(models(1, 0.5, seeds=3), models(2, 0.1, seeds=3), seed=0)
    assert few[1].low > 0
    assert "3 seeds are fewer than the 6" in arm_verdict(few[1], "IoU").sentence
    pair = arms_changed(models(1, 0.5, pictures=2), models(2, 0.1, pictures=2), seed=0)
    assert np.isnan(pair[1].low)
    assert "so few samples say nothing" in arm_verdict(pair[1], "IoU").sentence


def test_arms_are_compared_on_the_same_pictures() -> None:
    one, other = models(1, 0.4), models(2, 0.4, pictures=11)
    with pytest.raises(ValueError, match="the same pictures"):
        arms_changed(one, other, seed=0)
    nothing = sums_of(np.zeros((3, CLASSES, CLASSES), np.int64))
    assert [change.n for change in arms_changed([nothing] * 2, [nothing] * 2, seed=0)] == [0] * (CLASSES + 1)
