"""Small studies and maps that the tests of the store share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from tests.core.store_writers import map_of, maps_of, store, writer
from xai_core.datasets.base import DATASETS, DatasetMember, Scan
from xai_core.params import NoParams
from xai_core.store.study import Study
from xai_core.types import Card

__all__ = ["CLASSES", "chances", "map_of", "maps_of", "register_grey", "scan", "store", "study", "writer"]

CLASSES = ("shirt", "dress", "Mütze / hat")


class GreyDataset:
    """Pictures of one grey level: the sample's index."""

    def __init__(self, root: Path, params: Any) -> None:
        self.root = root

    def scan(self, seed: int, progress: Any = None) -> Scan:
        return scan()

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        return Image.new("L", (row["width"], row["height"]), int(row["index"]))

    def mask(self, row: Mapping[str, Any]) -> np.ndarray:
        return np.ones((row["height"], row["width"]), dtype=bool)


GREY = DatasetMember(Card("grey", "Grey", "One grey level.", "Everything else."), NoParams, GreyDataset)


def register_grey(monkeypatch: Any) -> None:
    """Let `grey` be a dataset for one test."""
    assert "grey" not in DATASETS
    monkeypatch.setitem(DATASETS._members, "grey", GREY)


def scan(n: int = 30) -> Scan:
    """n samples: two thirds training, the rest test, three classes in turn; rows 0 and n−1 have the same bytes."""
    digests = [hashlib.sha256(str(i % (n - 1)).encode()).hexdigest() for i in range(n)]
    samples = pd.DataFrame(
        {
            "id": [f"sample/{i:05d}" for i in range(n)],
            "split": ["train" if i < 2 * n // 3 else "test" for i in range(n)],
            "label": np.arange(n) % 3,
            "path": [f"ä/{i}.png" for i in range(n)],
            "index": np.arange(n),
            "width": 4,
            "height": 3,
            "has_mask": [i == 1 for i in range(n)],
            "sha256": digests,
        }
    )
    return Scan(samples, CLASSES, (("bad.png", "not a picture"),), ("A note.",))


def study(folder: Path, n: int = 30) -> Study:
    """A study of `scan(n)` in `folder/study`."""
    return Study.create(folder / "study", dataset="grey", params={}, data=folder / "data", seed=7, scan=scan(n))


def chances(rows: Any) -> np.ndarray:
    """`(N, 3)` float32 probabilities: the one right prediction of each row."""
    return np.stack([np.random.default_rng(int(row)).dirichlet(np.ones(3)) for row in rows]).astype(np.float32)
