"""Stored maps and scores for tests, and processes that write them: light imports, for every such process pays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from xai_core.store.maps import MapStore
from xai_core.store.scores import ScoreStore
from xai_core.types import Scores

ROOT = Path(__file__).resolve().parents[2]


def map_of(row: int, side: int = 7) -> np.ndarray:
    """The one right map of a row, `(side, side)` float32, of very different magnitudes."""
    generator = np.random.default_rng(row)
    return (generator.standard_normal((side, side)) * 10.0 ** generator.integers(-6, 7)).astype(np.float32)


def maps_of(rows: Any, side: int = 7) -> np.ndarray:
    """`(N, side, side)` float32."""
    return np.stack([map_of(int(row), side) for row in rows])


def store(folder: Path, *, create: bool = True) -> MapStore:
    """The store `folder/maps`."""
    found = MapStore.at(folder / "maps", {"method": "x"}, create=create)
    assert found is not None
    return found


def writer(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs `code`, which finds these helpers as `cases`."""
    command = [sys.executable, "-c", f"import sys\nfrom tests.core import store_writers as cases\n{code}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *map(str, arguments)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


def scores_of(rows: Any) -> Scores:
    """The one right score of each row, with a curve; every seventh is not scored."""
    numbers = np.asarray(rows, dtype=np.int64)
    reasons = tuple("no mask" if row % 7 == 0 and row else None for row in numbers.tolist())
    scored = np.array([reason is None for reason in reasons])
    values = np.where(scored, np.sqrt(numbers, dtype=np.float32), np.float32(np.nan))
    curves = values[:, None] * np.linspace(0, 1, 5, dtype=np.float32)
    return Scores(values, reasons, curves, {"mask_area": values / 2})


def score_store(folder: Path, *, create: bool = True) -> ScoreStore:
    """The store `folder/scores`."""
    found = ScoreStore.at(folder / "scores", {"metric": "x"}, create=create)
    assert found is not None
    return found
