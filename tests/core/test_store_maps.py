"""Stored maps: what is put comes back, whatever the order; what cannot be right is refused."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import store_cases as cases
from xai_core.errors import BadInput
from xai_core.store.maps import MISSING, REFUSED, STORED, MapStore

PAIRS = st.tuples(st.integers(0, 6), st.sampled_from(["0", "1", "2-0"]))
PUTS = st.lists(st.lists(st.tuples(PAIRS, st.booleans(), st.integers(0, 10**6)), max_size=5), max_size=6)


@settings(max_examples=25, deadline=None)
@given(PUTS, st.lists(PAIRS, max_size=12))
def test_the_first_of_each_pair_comes_back(puts: list, asked: list) -> None:
    """Against a dictionary that keeps the first."""
    expected: dict = {}
    with tempfile.TemporaryDirectory() as folder:
        store = cases.store(Path(folder))
        for batch in puts:
            rows, targets = [pair[0] for pair, _, _ in batch], [pair[1] for pair, _, _ in batch]
            refusals = ["not conserved" if bad else None for _, bad, _ in batch]
            maps = np.array([cases.map_of(seed, 3) for *_, seed in batch], dtype=np.float32).reshape(-1, 3, 3)
            store.put(rows, targets, maps, {"seed": np.array([seed for *_, seed in batch])}, refusals)
            for pair, bad, seed in batch:
                expected.setdefault(pair, (bad, seed))
        found = cases.store(Path(folder), create=False).get([r for r, _ in asked], [t for _, t in asked])
        assert store.count() == len(expected)
    for i, pair in enumerate(asked):
        if pair not in expected:
            assert found.state[i] == MISSING
            assert np.isnan(found.maps[i]).all()
            continue
        bad, seed = expected[pair]
        assert found.state[i] == (REFUSED if bad else STORED)
        assert found.refusals[i] == ("not conserved" if bad else None)
        assert found.diagnostics["seed"][i] == np.float32(seed)
        if bad:
            assert np.isnan(found.maps[i]).all()
        else:
            right = cases.map_of(seed, 3)
            assert np.abs(found.maps[i] - right).max() <= np.abs(right).max() * 2.0**-12 * 1.001


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
@settings(max_examples=30, deadline=None)
def test_any_finite_map_is_kept_within_its_precision(values: list[float]) -> None:
    right = np.array(values, dtype=np.float32).reshape(1, 2, 2)
    with tempfile.TemporaryDirectory() as folder:
        store = cases.store(Path(folder))
        store.put([0], ["0"], right)
        found = store.get([0], ["0"]).maps
    assert np.isfinite(found).all()
    scale = np.abs(right).max().astype(np.float64)
    error = np.abs(found.astype(np.float64) - right).max()
    assert error <= scale * 2.0**-12 * 1.001 + np.finfo(np.float32).smallest_subnormal
    assert np.abs(found).max() == np.abs(right).max()


def test_an_empty_store(tmp_path: Path) -> None:
    assert MapStore.at(tmp_path / "maps", {}, create=False) is None
    store = cases.store(tmp_path)
    assert store.shape is None
    assert store.count() == 0
    found = store.get([1, 2], ["0", "1"])
    assert found.maps.shape == (2, 0, 0)
    assert found.state.tolist() == [MISSING, MISSING]
    assert found.diagnostics == {}
    store.put([], [], np.empty((0, 7, 7), np.float32))
    assert store.shape is None


def test_zero_stays_exactly_zero(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    store.put([0], ["0"], np.zeros((1, 2, 3)))
    assert store.shape == (2, 3)
    found = store.get([0], ["0"])
    assert found.state.tolist() == [STORED]
    assert not found.maps.any()


def test_a_refused_map_fixes_no_shape(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    store.put([0], ["0"], np.full((1, 9, 9), np.nan), {}, ["not available for this model"])
    assert store.shape is None
    assert store.state([0, 1], ["0", "0"]).tolist() == [REFUSED, MISSING]
    assert store.get([0], ["0"]).refusals == ["not available for this model"]
    store.put([1], ["0"], np.ones((1, 2, 2)))
    assert store.shape == (2, 2)
    assert store.state([0, 1], ["0", "0"]).tolist() == [REFUSED, STORED]


def test_diagnostics_may_differ_between_puts(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    store.put([0, 1], ["0", "0"], np.ones((2, 2, 2)), {"gap": np.array([0.5, np.nan])})
    store.put([2], ["0"], np.ones((1, 2, 2)), {"ratio": np.array([np.inf])})
    found = store.get([2, 1, 0], ["0"] * 3).diagnostics
    assert list(found) == ["gap"]
    np.testing.assert_array_equal(found["gap"], np.array([np.nan, np.nan, 0.5], np.float32))


@pytest.mark.parametrize(
    "change",
    [
        {"maps": np.full((2, 7, 7), np.nan)},
        {"maps": np.full((2, 7, 7), np.inf)},
        {"maps": np.full((2, 7, 7), 1e300), "allowed": RuntimeWarning},
        {"maps": np.ones((2, 7, 8))},
        {"maps": np.ones((2, 0, 7))},
        {"maps": np.ones((1, 7, 7))},
        {"maps": np.ones((2, 7))},
        {"targets": ["0"]},
        {"refusals": [None]},
        {"diagnostics": {"gap": np.ones(3)}},
    ],
)
def test_what_cannot_be_right_is_refused_whole(tmp_path: Path, change: dict) -> None:
    store = cases.store(tmp_path)
    store.put([9], ["0"], np.ones((1, 7, 7)))
    change.pop("allowed", None)
    arguments = {"rows": [0, 1], "targets": ["0", "0"], "maps": np.ones((2, 7, 7)), **change}
    with np.errstate(over="ignore"), pytest.raises(BadInput):
        store.put(**arguments)
    assert store.count() == 1


def test_maps_of_something_else(tmp_path: Path) -> None:
    cases.store(tmp_path)
    with pytest.raises(BadInput, match="something else"):
        MapStore.at(tmp_path / "maps", {"method": "y"}, create=True)


def test_a_store_that_was_never_finished_is_none_and_can_be_made(tmp_path: Path) -> None:
    cases.store(tmp_path)
    (tmp_path / "maps" / "manifest.json").unlink()
    assert MapStore.at(tmp_path / "maps", {"method": "x"}, create=False) is None
    assert cases.store(tmp_path).count() == 0


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be read as one" * 20])
def test_a_damaged_index(tmp_path: Path, content: bytes) -> None:
    store = cases.store(tmp_path)
    (store.path / "index.sqlite").write_bytes(content)
    with pytest.raises(BadInput, match=r"index\.sqlite"):
        store.get([0], ["0"])
    with pytest.raises(BadInput, match=r"index\.sqlite"):
        store.put([0], ["0"], np.ones((1, 2, 2)))


def test_an_index_that_vanished_is_told(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    (store.path / "index.sqlite").unlink()
    with pytest.raises(BadInput, match="missing"):
        store.count()


def test_records_that_were_cut_off_are_missing_and_can_be_stored_again(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    rows = list(range(10))
    store.put(rows, ["0"] * 10, cases.maps_of(rows))
    store.put([10], ["0"], np.empty((1, 7, 7)), {}, ["refused"])
    whole = store.get(rows, ["0"] * 10).maps
    records = store.path / "maps.bin"
    with records.open("r+b") as file:
        file.truncate(6 * 98 + 50)  # in the middle of the seventh
    cut = store.get(rows, ["0"] * 10)
    assert cut.state.tolist() == [STORED] * 6 + [MISSING] * 4
    np.testing.assert_array_equal(cut.maps[:6], whole[:6])
    assert np.isnan(cut.maps[6:]).all()
    store.put([20], ["0"], cases.maps_of([20]))
    assert store.state([*rows, 10, 20], ["0"] * 12).tolist() == [STORED] * 6 + [MISSING] * 4 + [REFUSED, STORED]
    store.put(rows, ["0"] * 10, cases.maps_of(rows))
    np.testing.assert_array_equal(store.get(rows, ["0"] * 10).maps, whole)
    records.unlink()
    assert store.state(rows, ["0"] * 10).tolist() == [MISSING] * 10


def test_many_rows_in_any_order(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    rows = np.random.default_rng(0).permutation(3000)
    for part in np.array_split(rows, 7):
        store.put(part, ["0"] * len(part), part[:, None, None] * np.ones((1, 2, 2)))
    asked = np.random.default_rng(1).integers(0, 3000, 5000)
    found = store.get(asked, ["0"] * 5000)
    np.testing.assert_array_equal(found.maps[:, 0, 0], asked.astype(np.float32))


def test_threads_share_a_store(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    failures: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for row in range(start, start + 8):
                store.put([row], ["0"], cases.maps_of([row]))
                assert store.state([row], ["0"]).tolist() == [STORED]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 4, 8, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.count() == 20
    found = store.get(range(20), ["0"] * 20).maps
    np.testing.assert_allclose(found, cases.maps_of(range(20)), atol=0, rtol=1)


def rot(path: Path, place: int, bit: int = 3) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def as_before(store: MapStore) -> None:
    """Make of a store one of the time when there were no checksums."""
    with sqlite3.connect(store.path / "index.sqlite") as index:
        index.execute("ALTER TABLE rows DROP COLUMN checksum")
    index.close()


@pytest.mark.parametrize("place", [0, 3 * 98 + 1, 10 * 98 - 1])
def test_a_rotten_map_is_missing_is_said_and_can_be_stored_again(
    tmp_path: Path, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = cases.store(tmp_path)
    rows = list(range(10))
    store.put(rows, ["0"] * 10, cases.maps_of(rows))
    whole = store.get(rows, ["0"] * 10).maps
    rot(store.path / "maps.bin", place)
    found = store.get(rows, ["0"] * 10)
    expected = [MISSING if row == place // 98 else STORED for row in rows]
    assert found.state.tolist() == store.state(rows, ["0"] * 10).tolist() == expected
    assert np.isnan(found.maps[place // 98]).all()
    assert [record.getMessage() for record in caplog.records] == [
        f"{store.path}: stored maps are damaged and count as missing; computing them again replaces them"
    ], "once for each store"
    store.put(rows, ["0"] * 10, cases.maps_of(rows))
    np.testing.assert_array_equal(store.get(rows, ["0"] * 10).maps, whole)
    assert store.count() == 10


@pytest.mark.parametrize(
    "change",
    [
        "scale = scale * 2",
        "scale = 'x'",
        "scale = 9e999",
        "slot = 1",
        "slot = -1",
        "slot = 'x'",
        "slot = NULL",
        "refusal = 'no'",
        "refusal = x'00'",
        "diagnostics = '{\"gap\": 2.0}'",
        "diagnostics = '[1]'",
        "diagnostics = '{'",
        "diagnostics = x'ff'",
        "row = 7",
        "target = '1'",
    ],
)
def test_a_line_of_the_index_that_was_changed_is_not_given_out(tmp_path: Path, change: str) -> None:
    store = cases.store(tmp_path)
    store.put([0, 1], ["0", "0"], cases.maps_of([0, 1]), {"gap": np.ones(2)})
    right = store.get([1], ["0"]).maps
    with sqlite3.connect(store.path / "index.sqlite") as index:
        index.execute(f"UPDATE rows SET {change} WHERE row = 0")
    index.close()
    asked = [0, 7, 0], ["0", "0", "1"]
    assert store.state(*asked).tolist() == [MISSING] * 3
    assert np.isnan(store.get(*asked).maps).all()
    np.testing.assert_array_equal(store.get([1], ["0"]).maps, right)


@pytest.mark.parametrize("change", ["height = -1", "height = 'x'", "width = 1e9", "height = NULL", "slots = -1"])
def test_a_shape_that_cannot_be_is_told(tmp_path: Path, change: str) -> None:
    store = cases.store(tmp_path)
    store.put([0], ["0"], cases.maps_of([0]))
    with sqlite3.connect(store.path / "index.sqlite") as index:
        index.execute(f"UPDATE meta SET {change}")
    index.close()
    with pytest.raises(BadInput, match="meta is damaged"):
        store.get([0], ["0"])
    with pytest.raises(BadInput, match="meta is damaged"):
        store.put([1], ["0"], cases.maps_of([1]))


def test_a_store_of_before_is_read_as_it_is_and_written_with_checksums(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    rows = list(range(10))
    store.put(rows, ["0"] * 10, cases.maps_of(rows))
    whole = store.get(rows, ["0"] * 10).maps
    as_before(store)
    index = (store.path / "index.sqlite").read_bytes()
    np.testing.assert_array_equal(store.get(rows, ["0"] * 10).maps, whole)
    assert (store.path / "index.sqlite").read_bytes() == index, "reading changes nothing"
    store.put([10], ["0"], cases.maps_of([10]))
    assert store.state(range(11), ["0"] * 11).tolist() == [STORED] * 11
    rot(store.path / "maps.bin", 10 * 98)
    assert store.state(range(11), ["0"] * 11).tolist() == [STORED] * 10 + [MISSING]


def test_what_no_writer_writes_is_not_given_out_of_a_store_of_before(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    store.put([0, 1], ["0", "0"], cases.maps_of([0, 1]))
    as_before(store)
    rot(store.path / "maps.bin", 11, bit=6)  # the exponent: far beyond 1, infinite, or no number
    assert store.state([0, 1], ["0", "0"]).tolist() == [MISSING, STORED]


@pytest.mark.parametrize("name", ["index.sqlite", "index.sqlite-journal", "maps.bin"])
def test_a_pipe_in_a_store_keeps_nobody_waiting(tmp_path: Path, name: str) -> None:
    store = cases.store(tmp_path)
    store.put([0], ["0"], cases.maps_of([0]))
    (store.path / name).unlink(missing_ok=True)
    os.mkfifo(store.path / name)
    with pytest.raises(BadInput, match=name):
        store.put([1], ["0"], cases.maps_of([1]))
    if name == "maps.bin":
        assert store.state([0], ["0"]).tolist() == [MISSING]
    else:
        with pytest.raises(BadInput, match=name):
            store.get([0], ["0"])


def test_names_in_an_index_that_are_no_text_are_told(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    path = store.path / "index.sqlite"
    path.write_bytes(path.read_bytes().replace(b"rows", b"\xffows"))
    with pytest.raises(BadInput, match=r"index\.sqlite"):
        store.get([0], ["0"])
