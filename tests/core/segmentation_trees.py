"""Small trees of the datasets of segmentation, and files of COCO with one thing in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.core.dataset_trees import SIZE, photo
from xai_core.datasets import DATASETS, Dataset, Scan
from xai_core.params import build
from xai_core.types import SPLITS

WIDTH, HEIGHT = SIZE
SQUARE = [8, 6, 16, 6, 16, 14, 8, 14]
"""The middle of every photo, as a polygon."""


def write_coco(
    file: Path,
    annotations: Sequence[dict[str, Any]] = (),
    *,
    pictures: int = 8,
    names: Sequence[str] = ("red", "green"),
    folder: str = "",
    **instead: Any,
) -> None:
    """A file of COCO and its pictures `0.png`, `1.png`, … in `folder` below its own.

    Args:
        annotations: in place of one square on each picture, red on even ones.
        instead: whole lists of the file in place of what is written.
    """
    squares = [
        {"id": n + 1, "image_id": n, "category_id": n % 2, "segmentation": [SQUARE], "iscrowd": 0}
        for n in range(pictures)
    ]
    for number in range(pictures):
        photo(file.parent / folder / f"{number}.png", number)
    images = [{"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in range(pictures)]
    kinds = [{"id": n, "name": name} for n, name in enumerate(names)]
    content = {"images": images, "annotations": list(annotations) or squares, "categories": kinds} | instead
    file.write_text(json.dumps(content))


def coco(root: Path) -> dict[str, object]:
    """One file beside a folder of pictures; one picture has a crowd, and one none."""
    annotations = [{"image_id": n, "category_id": n % 2, "segmentation": [SQUARE]} for n in range(19)]
    annotations.append({"image_id": 0, "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]], "iscrowd": 1})
    write_coco(root / "instances_default.json", annotations, pictures=20, folder="images")
    return {}


def label_file(path: Path, values: np.ndarray, *, palette: bool = False) -> None:
    """A PNG of these numbers, grey or with a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(values.astype(np.uint8))
    if palette:
        picture.putpalette([value for number in range(256) for value in (number, 255 - number, 90)])
    picture.save(path)


def square(inside: int, outside: int = 0) -> np.ndarray:
    """`(20, 24)`: the square in the middle."""
    values = np.full((HEIGHT, WIDTH), outside)
    values[6:14, 8:16] = inside
    return values


def mask_folder(root: Path) -> dict[str, object]:
    """`images` and `masks` with palettes; 255 around some squares."""
    for number in range(20):
        photo(root / "images" / f"{number}.jpg", number)
        values = square(1 + number % 2)
        values[0] = 255 if number % 3 else 0
        label_file(root / "masks" / f"{number}.png", values, palette=True)
    (root / "classes.txt").write_text("background\nred\ngreen\n")
    return {}


def drawn(root: Path) -> dict[str, object]:
    """The project's own pictures, one of each class and split; they are drawn when they are asked for."""
    return {f"{split}_per_class": 1 for split in SPLITS}


SEGMENTED: dict[str, Callable[[Path], dict[str, object]]] = {
    "coco": coco,
    "garments-parts": drawn,
    "mask-folder": mask_folder,
}
"""By key of the dataset: fills a folder and returns the parameters to read it with."""


def read(key: str, root: Path, **values: Any) -> tuple[Any, Scan]:
    """The dataset and its scan with seed 0."""
    made: Dataset = DATASETS[key].make(root, build(DATASETS[key].params, values))
    return made, made.scan(0)


def map_of(made: Any, scan: Scan, path: str) -> np.ndarray:
    """The label map of the picture of this path."""
    rows = {row["path"]: row for row in scan.samples.to_dict("records")}
    found: np.ndarray = made.label_map(rows[path])
    return found
