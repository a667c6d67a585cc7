"""Maps around what they explain: the window, groups that share no picture, and mean heatmaps of a segmenter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_regions import run
from tests.tiny_study import fails, xai_json
from xai_core.answers.confusion import counts_of
from xai_core.answers.groups import GROUPS, boxes_of, group_rows, groups, spec_of, wanted
from xai_core.answers.maps import columns
from xai_core.answers.scope import Scope
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench
from xai_core.regions import in_cell
from xai_core.store.run import Run
from xai_core.store.targets import region_of
from xai_core.triage.around import around, largest_part, window
from xai_core.triage.groups import disjoint

__all__ = ["run"]


def test_the_largest_part_is_boxed() -> None:
    there = np.zeros((10, 20), bool)
    there[1:3, 2:4], there[5:9, 10:18], there[4, 9] = True, True, True  # the last touches by a corner
    assert largest_part(there) == (9 / 20, 4 / 10, 18 / 20, 9 / 10)
    assert largest_part(np.zeros((3, 3), bool)) == (0.0, 0.0, 1.0, 1.0)


@given(st.integers(0, 11), st.integers(0, 11), st.integers(4, 8))
def test_what_is_around_an_object_is_the_same_wherever_it_lies(left: int, top: int, side: int) -> None:
    """A square with a gradient within: cut around it, only its place in the picture is lost."""
    plane = np.zeros((24, 24), np.float32)
    pattern = np.arange(side * side, dtype=np.float32).reshape(side, side)
    plane[top : top + side, left : left + side] = pattern
    middle = np.zeros((24, 24), np.float32)
    middle[8 : 8 + side, 8 : 8 + side] = pattern
    boxes = np.array([[left, top, left + side, top + side], [8, 8, 8 + side, 8 + side]]) / 24
    first, second = around(np.stack([plane, middle]), boxes)
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_a_window_is_twice_the_box_and_not_too_small() -> None:
    assert window((0.4, 0.4, 0.6, 0.5)) == pytest.approx((0.3, 0.25, 0.7, 0.65))
    assert window((0.5, 0.5, 0.5, 0.5)) == pytest.approx((0.4375, 0.4375, 0.5625, 0.5625))


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=20), min_size=3, max_size=3), st.integers(1, 6), st.integers(0, 5)
)
def test_groups_share_no_picture_and_hold_their_own(rows: list[list[int]], limit: int, seed: int) -> None:
    members = {name: np.unique(np.array(some, np.int64)) for name, some in zip("abc", rows, strict=True)}
    found = disjoint(members, limit=limit, seed=seed)
    every = np.concatenate(list(found.values()))
    assert len(every) == len(set(every.tolist()))
    for name, some in found.items():
        assert len(some) <= limit
        assert set(some.tolist()) <= set(members[name].tolist())
    if all(len(each) == 0 for each in members.values()):
        return
    again = disjoint(members, limit=limit, seed=seed)
    assert all(np.array_equal(found[name], again[name]) for name in found)


def cell_of(scope: Scope) -> tuple[int, int]:
    counts = counts_of(scope)
    np.fill_diagonal(counts, 0)
    true, predicted = np.unravel_index(counts.argmax(), counts.shape)
    return int(true), int(predicted)


def test_a_group_is_explained_at_its_own_pixels(run: Run) -> None:
    scope = Scope(run, "all")
    cell = cell_of(scope)
    assert [spec_of(scope, cell, name, "predicted") for name in GROUPS] == [
        in_cell(cell[1], cell[0], cell[0]).key,
        in_cell(cell[1], *cell).key,
        in_cell(cell[1], cell[1], cell[1]).key,
    ]
    rows = group_rows(scope, cell)
    for name, some in rows.items():
        for row in some.tolist():
            spec = spec_of(scope, cell, name, "predicted")
            assert region_of(run, row, run.targets([row], spec)[0]).any()


def test_maps_are_averaged_around_what_they_explain(run: Run) -> None:
    scope = Scope(run, "all")
    cell = cell_of(scope)
    for rows, spec in wanted(scope, cell, "predicted"):
        list(explain_steps(Bench("cpu"), Request(run, rows.tolist(), spec, [("hirescam", {})])))
    (column,) = columns(run, ["hirescam"], {})
    found = groups(scope, cell, column, align=True)
    plain = groups(scope, cell, column)
    for group, whole in zip(found, plain, strict=True):
        assert len(group.maps) == len(whole.maps)
        assert whole.boxes is None
        if len(group.rows):
            assert group.boxes is not None
            np.testing.assert_array_equal(group.boxes, boxes_of(run, group.rows, group.spec))


def test_the_command_averages_around_the_object(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    true, predicted = (run.study.class_names[index] for index in cell_of(Scope(run, "all")))
    words = ("aggregate", run.study.path, "--run", "unet", "--method", "gradcam", "--split", "all", "--limit", "4")
    said = xai_json(capsys, *words, "--true", true, "--predicted", predicted)
    assert any("cut around the largest part" in sentence for sentence in said["sentences"])
    flat = xai_json(capsys, *words, "--true", true, "--predicted", predicted, "--place", "picture")
    assert not any("cut around" in sentence for sentence in flat["sentences"])
    assert "which confusion" in fails(capsys, *words)
