"""Stored scores: what is put comes back, also after writers were killed; what is damaged or stale is missing."""

from __future__ import annotations

import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from tests.core import store_cases as cases
from tests.core.store_writers import score_store, scores_of
from xai_core.errors import BadInput
from xai_core.store.scores import MISSING, REFUSED, STORED, ScoreStore
from xai_core.types import Scores

WRITE_ALL = """
from pathlib import Path
import numpy as np
store = cases.score_store(Path(sys.argv[1]))
rows = np.random.default_rng(int(sys.argv[2])).permutation(2000)
print("ready", flush=True)
for part in np.split(rows, int(sys.argv[3])):
    store.put(part, ["0"] * len(part), cases.scores_of(part))
"""


def assert_right(store: ScoreStore, rows: np.ndarray) -> int:
    """Every named score is bit for bit what was given; gives their number."""
    found, right = store.get(rows, ["0"] * len(rows)), scores_of(rows)
    named = found.state != MISSING
    assert int(named.sum()) == store.count()
    np.testing.assert_array_equal(found.values[named], right.values[named])
    assert [r for r, n in zip(found.reasons, named, strict=True) if n] == [
        r for r, n in zip(right.reasons, named, strict=True) if n
    ]
    if (found.state == STORED).any():
        assert found.curves is not None
        assert right.curves is not None
        np.testing.assert_array_equal(found.curves[named], right.curves[named])
        np.testing.assert_array_equal(found.beside["mask_area"][named], right.beside["mask_area"][named])
    return int(named.sum())


def test_what_is_put_comes_back_in_any_order_and_the_first_stays(tmp_path: Path) -> None:
    assert ScoreStore.at(tmp_path / "scores", {}, create=False) is None
    store = score_store(tmp_path)
    assert store.get([1], ["0"]).state.tolist() == [MISSING]
    assert store.get([1], ["0"]).curves is None
    for part in np.array_split(np.random.default_rng(0).permutation(3000), 5):
        store.put(part, ["0"] * len(part), scores_of(part))
    store.put([3], ["0"], Scores(np.array([9], np.float32)))
    assert assert_right(score_store(tmp_path, create=False), np.arange(3000)) == 3000
    assert store.state([7, 1, 9999], ["0", "0", "0"]).tolist() == [REFUSED, STORED, MISSING]
    assert store.state([1], ["0-1"]).tolist() == [MISSING]


def test_a_negative_zero_is_a_zero(tmp_path: Path) -> None:
    """SQLite keeps no sign of it: the score was called damaged, and computed again each time."""
    store = score_store(tmp_path)
    store.put([0, 1], ["0", "0"], Scores(np.array([-0.0, 0.0], np.float32)))
    assert store.get([0, 1], ["0", "0"]).state.tolist() == [STORED, STORED]


def test_scores_without_curves(tmp_path: Path) -> None:
    store = score_store(tmp_path)
    store.put([0, 1], ["0", "2-1"], Scores(np.array([0.25, np.nan], np.float32), (None, "no mask")))
    found = store.get([1, 0], ["2-1", "0"])
    assert found.curves is None
    assert found.beside == {}
    assert found.reasons == ["no mask", None]
    np.testing.assert_array_equal(found.values, np.array([np.nan, 0.25], np.float32))


def test_lengths_that_differ_are_refused(tmp_path: Path) -> None:
    store = score_store(tmp_path)
    for rows, targets in (([0, 1], ["0", "0"]), ([0], ["0", "0"])):
        with pytest.raises(BadInput, match="length"):
            store.put(rows, targets, Scores(np.ones(1, np.float32)))
    assert store.count() == 0


def test_scores_of_something_else(tmp_path: Path) -> None:
    score_store(tmp_path)
    with pytest.raises(BadInput, match="scores of something else"):
        ScoreStore.at(tmp_path / "scores", {"metric": "y"}, create=True)


@pytest.mark.parametrize(
    "change",
    [
        "value = value + 1",
        "value = 9e999",
        "value = 'x'",
        "value = NULL",
        "reason = 'no'",
        "curve = x'00000000'",
        "curve = x'000000'",
        "curve = 'x'",
        "curve = NULL",
        "beside = '{}'",
        "beside = '[1]'",
        "beside = x'ff'",
        "checksum = NULL",
        "row = 8",
        "target = '1'",
    ],
)
def test_a_line_that_was_changed_is_missing_is_said_and_can_be_scored_again(
    tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = score_store(tmp_path)
    store.put([0, 1], ["0", "0"], scores_of([0, 1]))
    with sqlite3.connect(store.path / "index.sqlite") as index:
        index.execute(f"UPDATE rows SET {change} WHERE row = 0")
    index.close()
    asked = [0, 8, 0], ["0", "0", "1"]
    assert store.state(*asked).tolist() == [MISSING] * 3
    assert np.isnan(store.get(*asked).values).all()
    assert [record.getMessage() for record in caplog.records] == [
        f"{store.path}: stored scores are damaged and count as missing; computing them again replaces them"
    ]
    store.put([0], ["0"], scores_of([0]))
    assert store.state([0, 1], ["0", "0"]).tolist() == [STORED, STORED]


@pytest.mark.parametrize("name", ["index.sqlite", "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be read as one" * 20])
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    store = score_store(tmp_path)
    (store.path / name).write_bytes(content)
    with pytest.raises(BadInput, match=name) as caught:
        score_store(tmp_path).get([0], ["0"])
    assert "\n" not in str(caught.value)


def test_killed_writers_and_two_at_once_leave_no_wrong_score(tmp_path: Path) -> None:
    statuses = []
    for seed, seconds in enumerate((0.01, 0.03)):
        with cases.writer(WRITE_ALL, tmp_path, seed, 1000) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(seconds)
            process.kill()
        statuses.append(process.returncode)
        assert_right(score_store(tmp_path, create=False), np.arange(2000))
    assert -signal.SIGKILL in statuses
    both = [cases.writer(WRITE_ALL, tmp_path, seed, 50) for seed in (8, 9)]
    for process in both:
        process.communicate()
    assert [process.returncode for process in both] == [0, 0]
    assert assert_right(score_store(tmp_path, create=False), np.arange(2000)) == 2000
    assert not list((tmp_path / "scores").glob("*-journal"))
