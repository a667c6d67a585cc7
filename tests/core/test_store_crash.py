"""Killed writers, many writers, full disks: what the index names is right, always."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from tests.core import store_cases as cases
from tests.core.test_store_study import lock, read_only  # noqa: F401
from xai_core.errors import BadInput, StorageFull
from xai_core.store.maps import MISSING, STORED, MapStore
from xai_core.store.run import RunInfo

WRITE_ALL = """
from pathlib import Path
import numpy as np
store = cases.store(Path(sys.argv[1]))
rows = np.random.default_rng(int(sys.argv[2])).permutation(2000)
print("ready", flush=True)
for part in np.split(rows, int(sys.argv[3])):
    store.put(part, ["0"] * len(part), cases.maps_of(part, 14), {"row": part})
"""


def assert_right(store: MapStore, reference: np.ndarray) -> int:
    """Every named row is bit for bit what an undisturbed writer stores; gives their number."""
    rows = np.arange(len(reference))
    found = store.get(rows, ["0"] * len(rows))
    named = found.state == STORED
    assert set(found.state.tolist()) <= {MISSING, STORED}
    assert int(named.sum()) == store.count()
    if named.any():
        np.testing.assert_array_equal(found.maps[named], reference[named])
        np.testing.assert_array_equal(found.diagnostics["row"][named], rows[named])
    return int(named.sum())


def reference(folder: Path, count: int) -> np.ndarray:
    """Maps of the first rows as an undisturbed store gives them back."""
    undisturbed = cases.store(folder / "undisturbed")
    rows = np.arange(count)
    undisturbed.put(rows, ["0"] * count, cases.maps_of(rows, 14))
    return undisturbed.get(rows, ["0"] * count).maps


def killed(folder: Path, seed: int, seconds: float) -> int:
    """Kill a writer some time after it began; gives its exit status."""
    with cases.writer(WRITE_ALL, folder, seed, 1000) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
    return process.returncode


def test_a_writer_killed_at_any_moment_leaves_no_wrong_row(tmp_path: Path) -> None:
    right = reference(tmp_path, 2000)
    counts, statuses = [], []
    for seed, seconds in enumerate(np.random.default_rng(0).uniform(0, 0.05, 8)):
        statuses.append(killed(tmp_path, seed, seconds))
        counts.append(assert_right(cases.store(tmp_path, create=False), right))
    assert -signal.SIGKILL in statuses
    assert counts == sorted(counts)
    assert counts[-1] > 0
    assert finish(cases.writer(WRITE_ALL, tmp_path, 9, 20)) == [0]
    assert assert_right(cases.store(tmp_path, create=False), right) == 2000


def finish(*processes: subprocess.Popen[str]) -> list[int]:
    """Wait for processes; gives their exit statuses."""
    for process in processes:
        process.communicate()
    return [process.returncode for process in processes]


def test_three_processes_fill_one_store(tmp_path: Path) -> None:
    assert finish(*(cases.writer(WRITE_ALL, tmp_path, seed, 100) for seed in (1, 2, 3))) == [0, 0, 0]
    assert assert_right(cases.store(tmp_path, create=False), reference(tmp_path, 2000)) == 2000
    assert not list((tmp_path / "maps").glob("*-journal"))


def test_two_processes_store_the_same_rows_and_the_first_wins(tmp_path: Path) -> None:
    code = """
from pathlib import Path
import numpy as np
store, me = cases.store(Path(sys.argv[1])), float(sys.argv[2])
for row in range(60):
    store.put([row, row + 1], ["0", "0"], np.full((2, 3, 3), me), {"writer": np.full(2, me)})
"""
    assert finish(*(cases.writer(code, tmp_path, me) for me in (1, 2))) == [0, 0]
    found = cases.store(tmp_path, create=False).get(range(61), ["0"] * 61)
    assert (found.state == STORED).all()
    np.testing.assert_array_equal(found.maps, np.broadcast_to(found.diagnostics["writer"][:, None, None], (61, 3, 3)))


LEAVE_HOT_JOURNAL = """
import os, signal, sqlite3
index = sqlite3.connect(sys.argv[1], isolation_level=None)
index.execute("PRAGMA cache_size = 2")
index.execute("BEGIN IMMEDIATE")
index.execute("UPDATE rows SET scale = 1e9, diagnostics = printf('%.*c', 900, ' ')")
os.kill(os.getpid(), signal.SIGKILL)
"""


def half_written(folder: Path) -> tuple[MapStore, np.ndarray]:
    """A store whose index was left in the middle of a commit, and its right maps."""
    store = cases.store(folder)
    rows = np.arange(400)
    store.put(rows, ["0"] * 400, cases.maps_of(rows, 14), {"row": rows})
    right = store.get(rows, ["0"] * 400).maps
    assert finish(cases.writer(LEAVE_HOT_JOURNAL, store.path / "index.sqlite")) == [-signal.SIGKILL]
    assert (store.path / "index.sqlite-journal").stat().st_size > 0
    return store, right


def test_a_reader_rolls_back_what_a_dead_writer_left(tmp_path: Path) -> None:
    store, right = half_written(tmp_path)
    assert assert_right(store, right) == 400


def test_a_half_written_index_is_never_read_where_it_cannot_be_rolled_back(read_only: Path) -> None:  # noqa: F811
    store, _ = half_written(read_only)
    lock(read_only)
    with pytest.raises(BadInput, match="cannot be written"):
        store.get([0], ["0"])


@contextmanager
def limited(bytes_: int) -> Iterator[None]:
    """No file of this process grows beyond a size (Python ignores the signal, so it is an error)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


Small = tuple[Path, AbstractContextManager[None]]


@pytest.fixture(params=["file system", "file size"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Small]:
    """A folder with room for 1 MiB, and the context in which that holds.

    A small file system where one may be mounted, else files that may not grow: those of the test alone, because
    pytest may write to a larger log in between.
    """
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if request.param == "file system" and mount and subprocess.run(command, capture_output=True).returncode == 0:
        yield folder, nullcontext()
        subprocess.run(["umount", str(folder)], check=True)
    else:
        yield folder, limited(2**20)


def fill(store: MapStore, side: int) -> None:
    """Rows 0 … 99, one at a time."""
    for row in range(100):
        store.put([row], ["0"], cases.maps_of([row], side))


def test_a_full_disk_keeps_what_was_stored(small: Small) -> None:
    folder, full = small
    store = cases.store(folder)
    with full, pytest.raises(StorageFull, match="Free some space"):
        fill(store, 100)
    stored = store.count()
    assert 30 < stored < 60
    found = cases.store(folder, create=False).get(range(100), ["0"] * 100)
    assert found.state.tolist() == [STORED] * stored + [MISSING] * (100 - stored)
    right = cases.maps_of(range(stored), 100)
    error = np.abs(found.maps[:stored] - right).max(axis=(1, 2)) / np.abs(right).max(axis=(1, 2))
    assert error.max() <= 2.0**-12 * 1.001
    # one record may be there without a name: the disk was full when its name was to be written
    assert (store.path / "maps.bin").stat().st_size in (stored * 20_000, (stored + 1) * 20_000)


def test_a_full_disk_keeps_the_old_predictions(tmp_path: Path) -> None:
    run = cases.study(tmp_path, n=3000).add_run("run", RunInfo())
    run.write_predictions([0], np.full((1, 3), 1 / 3))
    with limited(20_000), pytest.raises(StorageFull):
        run.write_predictions(range(3000), np.random.default_rng(0).dirichlet(np.ones(3), 3000))
    assert run.predictions is not None
    assert len(run.predictions.rows) == 1
    assert {p.name for p in run.path.iterdir()} == {"run.json", "predictions.parquet"}


def test_a_full_disk_leaves_no_half_study(small: Small) -> None:
    folder, full = small
    with full, pytest.raises(StorageFull):
        cases.study(folder, n=30_000)
    assert list(folder.iterdir()) == []


def test_a_store_serves_again_once_there_is_room(tmp_path: Path) -> None:
    store = cases.store(tmp_path)
    with limited(50_000), pytest.raises(StorageFull):
        fill(store, 50)
    kept = store.count()
    rows = np.arange(100)
    store.put(rows, ["0"] * 100, cases.maps_of(rows, 50))
    assert 0 < kept < 100
    assert store.count() == 100
