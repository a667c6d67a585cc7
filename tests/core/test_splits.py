"""Stratified splits: proportions, determinism, no leak."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai_core.errors import BadInput, BadParameter
from xai_core.splits import stratified, stratified_groups


def test_equal_classes_give_equal_parts() -> None:
    labels = np.repeat(np.arange(10), 600)
    taken = stratified(labels, 500, seed=0)
    assert taken.dtype == bool
    assert np.bincount(labels[taken]).tolist() == [50] * 10


def test_a_share_is_rounded_to_a_count() -> None:
    assert stratified(np.repeat([0, 1], [67, 34]), 0.15, seed=0).sum() == 15


def test_the_seed_decides() -> None:
    labels = np.repeat([0, 1], 100)
    one, again, other = (stratified(labels, 0.3, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_a_rare_class_gets_one_sample_on_each_side() -> None:
    labels = np.repeat([0, 1], [100, 2])
    taken = stratified(labels, 0.1, seed=0)
    assert np.bincount(labels[taken]).tolist() == [10, 1]


@given(st.permutations(range(12)), st.integers(-5, 5))
def test_the_order_of_files_does_not_matter(order: list[int], seed: int) -> None:
    keys = np.array([f"picture {i}" for i in range(12)])
    labels = np.repeat([0, 1, 2], 4)
    taken = stratified(labels, 0.25, seed, keys=keys.tolist())
    shuffled = stratified(labels[order], 0.25, seed, keys=keys[order].tolist())
    assert set(keys[taken]) == set(keys[order][shuffled])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=60, max_size=120), st.floats(0.05, 0.6))
def test_one_key_stays_on_one_side(samples: list[tuple[int, int]], part: float) -> None:
    samples += [(label, 100 + 10 * label + i) for label in range(3) for i in range(5)]
    labels, keys = np.array(samples).T
    taken = stratified(labels, part, seed=0, keys=[str(key) for key in keys])
    assert not set(keys[taken]) & set(keys[~taken])
    assert set(labels[taken]) == set(labels[~taken]) == {0, 1, 2}


def test_a_picture_with_two_labels_is_never_taken() -> None:
    labels = [0, 0, 0, 1, 1, 1]
    for seed in range(20):
        taken = stratified(labels, 2, seed, keys=["twin", "a", "b", "twin", "c", "d"])
        assert not taken[[0, 3]].any()


@pytest.mark.parametrize("keys", [["a", "b", "c", "same", "same"], ["a", "b", "same", "same", "same"]])
def test_a_class_without_two_different_samples_is_named(keys: list[str]) -> None:
    with pytest.raises(BadInput, match=r"too few different samples.*rare"):
        stratified([0, 0, 0, 1, 1], 2, seed=0, keys=keys, names=("often", "rare"))


@pytest.mark.parametrize("part", [0, 0.0, 4, 5, 1.0, -1])
def test_a_part_must_be_smaller_than_the_whole(part: float) -> None:
    with pytest.raises(BadParameter):
        stratified([0, 0, 1, 1], part, seed=0)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 12)), min_size=60, max_size=120),
    st.floats(0.05, 0.4),
)
def test_groups_and_keys_stay_on_one_side(samples: list[tuple[int, int, int]], part: float) -> None:
    samples += [(label, 1000 + 10 * label + i, 0) for label in range(3) for i in range(9)]
    labels, keys, groups = (list(column) for column in zip(*samples, strict=True))
    names = [f"patient {group}" if group else "" for group in groups]
    with suppress(BadInput):
        taken = stratified_groups(labels, part, 0, keys=[f"picture {key}" for key in keys], groups=names)
        for column in (keys, groups):
            sides = {
                (value, side) for value, side in zip(column, taken.tolist(), strict=True) if column is keys or value
            }
            assert len({value for value, _ in sides}) == len(sides)
        assert {label for label, side in zip(labels, taken, strict=True) if side} == {0, 1, 2}
        assert {label for label, side in zip(labels, taken, strict=True) if not side} == {0, 1, 2}


def test_shares_are_near_with_whole_groups() -> None:
    labels, groups = np.repeat([0, 1], 300), [f"{i // 10}" for i in range(600)]
    taken = stratified_groups(labels, 0.2, seed=3, keys=[str(i) for i in range(600)], groups=groups)
    assert np.bincount(labels[taken]).tolist() == [60, 60]


def test_groups_that_are_too_large_are_refused() -> None:
    with pytest.raises(BadInput, match="too few groups"):
        stratified_groups(
            [0] * 10 + [1] * 10, 0.2, 0, keys=list("abcdefghijklmnopqrst"), groups=["x"] * 5 + ["y"] * 5 + [""] * 10
        )
