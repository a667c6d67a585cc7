"""Folders of small pictures, which the tests of data sets share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xai_core.datasets.base import Scan
from xai_core.datasets.image_folder import ImageFolder, ImageFolderParams


def draw(path: Path, number: int, size: tuple[int, int] = (8, 6)) -> Path:
    """A picture that no other number has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


def fill(root: Path, **folders: int) -> Path:
    """`fill(root, train__cat=3)` draws three pictures into `train/cat`."""
    number = 0
    for name, count in folders.items():
        for _ in range(count):
            draw(root / name.replace("__", "/") / f"{number:04d}.png", number)
            number += 1
    return root


def scan(root: Path, seed: int = 0, **params: Any) -> Scan:
    return ImageFolder(root, ImageFolderParams(**params)).scan(seed)


def counts(found: Scan) -> dict[str, dict[str, int]]:
    table = found.samples.groupby(["split", "label"]).size()
    return {
        split: {name: int(table.get((split, label), 0)) for label, name in enumerate(found.class_names)}
        for split in found.samples["split"].unique()
    }
