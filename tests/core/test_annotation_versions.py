"""Versions of the annotation: what is painted over the original, who did it, and that nothing else changes it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.core.annotation_scenes import squares
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.label_maps import IGNORE
from xai_core.store.journal import Entry
from xai_core.store.patches import Patch
from xai_core.store.study import Study
from xai_core.store.versions import Version, digest_of, reader, version, versions


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return squares(tmp_path)


def corner(study: Study, row: int, size: int = 3) -> np.ndarray:
    where = np.zeros(study.label_map(row).shape, bool)
    where[:size, :size] = True
    return where


def painted(study: Study, row: int, label: int = 1, *, proposal: str = "", size: int = 3) -> Entry:
    return Entry(row, "accept", "missing", proposal, Patch.painting(corner(study, row, size), label))


PLANES = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(arrays(np.uint8, shape), arrays(np.uint8, shape), arrays(bool, shape))
)


@given(PLANES)
def test_a_patch_is_stored_as_it_is(planes: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    before, after, where = planes
    patch = Patch.unpacked(Patch.between(before, after).packed(), before.size)
    np.testing.assert_array_equal(patch.onto(before), after)
    region = Patch.unpacked(Patch.painting(where, 7).packed(), before.size)
    np.testing.assert_array_equal(region.onto(before), np.where(where, 7, before))
    np.testing.assert_array_equal(region.region(*before.shape), where)
    assert region.pixels == where.sum()


@pytest.mark.parametrize(
    "data", [b"", b"short", Patch.painting(np.ones((4, 4), bool), 1).packed()[:-6], b"\xff" * 16 + b"x"]
)
def test_what_is_no_patch_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Patch.unpacked(data, 16)


def test_a_version_is_the_original_with_what_stands_painted_over_it(study: Study) -> None:
    row, other = study.rows("train")[:2].tolist()
    version_of = Version(study, "better")
    assert versions(study) == []
    version_of.record([painted(study, row, 1)], "Ada")
    version_of.record([painted(study, row, 2, size=2)], "Bo")
    wanted = np.where(corner(study, row), 1, study.label_map(row))
    wanted = np.where(corner(study, row, 2), 2, wanted)
    np.testing.assert_array_equal(version_of.label_map(row), wanted)
    np.testing.assert_array_equal(version_of.label_map(other), study.label_map(other))
    assert versions(study) == ["better"]
    assert [(one.by, one.what, one.pixels) for one in version_of.changes] == [("Ada", "accept", 9), ("Bo", "accept", 4)]
    again = version(Study.open(study.path), "better")
    np.testing.assert_array_equal(again.label_map(row), wanted)
    assert again.digest() == version_of.digest() != digest_of(study, "original") == study.masks_digest


def test_undo_takes_acts_back_one_by_one_and_keeps_what_was_done(study: Study) -> None:
    rows = study.rows("train")[:3].tolist()
    better = Version(study, "better")
    first = better.record([painted(study, rows[0])], "Ada")
    kept = better.digest()
    better.record([painted(study, row, 2) for row in rows], "Ada")
    assert len(better.undo("Bo")) == 3
    assert better.digest() == kept
    assert better.standing == first
    better.undo("Bo")
    np.testing.assert_array_equal(better.label_map(rows[0]), study.label_map(rows[0]))
    assert better.digest() == Version(study, "none").digest()
    with pytest.raises(NotFound, match="nothing is left"):
        better.undo("Bo")
    assert [change.what for change in better.changes] == ["accept"] * 4 + ["undo"] * 4


def test_of_several_decisions_on_a_proposal_the_last_counts(study: Study) -> None:
    row = int(study.rows("train")[0])
    better = Version(study, "better")
    better.record([painted(study, row, proposal="p1")], "Ada")
    better.record([Entry(row, "reject", "missing", "p1")], "Bo")
    np.testing.assert_array_equal(better.label_map(row), study.label_map(row))
    better.undo("Bo")
    assert better.label_map(row)[0, 0] == 1


def test_pictures_of_the_test_split_are_refused_and_nothing_is_written(study: Study) -> None:
    better, row, tested = Version(study, "better"), int(study.rows("train")[0]), int(study.rows("test")[0])
    with pytest.raises(BadParameter, match="test split"):
        better.record([painted(study, row), painted(study, tested)], "Ada")
    assert versions(study) == []
    better.record([painted(study, int(study.rows("validation")[0]))], "Ada")


@pytest.mark.parametrize("name", ["../x", "", "a/b", "original", "Original", ".hidden", "con", "x" * 65])
def test_names_that_are_none_are_refused(study: Study, name: str) -> None:
    with pytest.raises(BadParameter):
        Version(study, name)


@pytest.mark.parametrize("by", ["", "   ", "x" * 101])
def test_somebody_has_to_decide(study: Study, by: str) -> None:
    with pytest.raises(BadParameter, match="who decides"):
        Version(study, "better").record([painted(study, int(study.rows("train")[0]))], by)


def test_an_unknown_version_is_told_with_those_that_are_there(study: Study) -> None:
    Version(study, "better").record([painted(study, int(study.rows("train")[0]))], "Ada")
    with pytest.raises(NotFound, match="better"):
        version(study, "bettr")
    with pytest.raises(NotFound):
        Version(study, "nobody").undo("Ada")
    assert versions(study) == ["better"]
    assert reader(study, "")(0) is not None
    assert IGNORE in reader(study, "original")(int(np.flatnonzero(study.samples["id"].str.endswith("/0.png"))[0]))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE changes SET by = 'Eve' WHERE number = 1",
        "DELETE FROM changes WHERE number = 1",
        "UPDATE changes SET what = 'reject' WHERE number = 2",
        "UPDATE changes SET pixels = 'many' WHERE number = 1",
        "UPDATE changes SET patch = x'00' WHERE number = 1",
        "UPDATE about SET identity = 'another'",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_a_journal_that_is_not_as_it_was_written_is_told(study: Study, damage: str) -> None:
    row = int(study.rows("train")[0])
    better = Version(study, "better")
    better.record([painted(study, row)], "Ada")
    better.record([painted(study, row, 2)], "Bo")
    with sqlite3.connect(better.path) as file:
        file.execute(damage)
    file.close()
    with pytest.raises(BadInput, match="damaged"):
        version(study, "better").label_map(row)


def _write(path: Path, name: str, times: int) -> None:
    study = Study.open(path)
    for _ in range(times):
        Version(study, "better").record([painted(study, int(study.rows("train")[0]))], name)


def test_two_who_write_at_once_lose_nothing(study: Study) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_write, args=(study.path, name, 10)) for name in ("Ada", "Bo")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    changes = version(study, "better").changes
    assert [change.number for change in changes] == list(range(1, 21))
    assert sorted(change.by for change in changes) == ["Ada"] * 10 + ["Bo"] * 10


def _killed(path: Path) -> None:
    study = Study.open(path)

    def endless() -> object:
        yield painted(study, int(study.rows("train")[0]))
        os.kill(os.getpid(), signal.SIGKILL)

    Version(study, "better")._journal.write(lambda _: endless(), "Ada")


@pytest.mark.parametrize("before", [0, 1])
def test_a_writer_that_is_killed_leaves_what_was_there(study: Study, before: int) -> None:
    row = int(study.rows("train")[0])
    for _ in range(before):
        Version(study, "better").record([painted(study, row)], "Bo")
    writer = multiprocessing.get_context("spawn").Process(target=_killed, args=(study.path,))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    better = Version(study, "better")
    assert len(better.changes) == before
    better.record([painted(study, row)], "Bo")
    assert len(better.changes) == before + 1
